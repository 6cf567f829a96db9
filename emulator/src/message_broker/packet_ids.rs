//! The packet IDs that a session gives to its messages: they rise, so that a PUBACK which comes
//! twice does not hit another message, and step over those in use when they begin anew.

/// Where a session is among its packet IDs.
#[derive(Debug, Default)]
pub(super) struct PacketIds {
    /// 0 before the first.
    last: u16,
    /// How many that follow are known to be free. What is given out lies behind.
    free: u16,
}

impl PacketIds {
    /// The next one that is not `in_use`, which is looked at seldom.
    pub(super) fn next(&mut self, in_use: impl Iterator<Item = u16> + Clone) -> u16 {
        while self.free == 0 {
            let nearest = in_use.clone().map(|used| self.distance(used)).min();
            match nearest.unwrap_or(u16::MAX) {
                1 => self.last = following(self.last),
                nearest => self.free = nearest - 1,
            }
        }
        self.free -= 1;
        self.last = following(self.last);
        self.last
    }

    /// How many steps it takes to `packet_id`: one at least, once round at most.
    const fn distance(&self, packet_id: u16) -> u16 {
        if packet_id > self.last { packet_id - self.last } else { u16::MAX - self.last + packet_id }
    }
}

/// There is no packet ID 0.
fn following(packet_id: u16) -> u16 {
    packet_id.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_next_packet_id_is_the_first_that_is_free(
            last in any::<u16>(),
            in_use in prop::collection::btree_set((u16::MAX - 6..=u16::MAX).prop_union(1..=6), 0..12),
            released in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            near in any::<bool>(),
        ) {
            let last = if near { u16::MAX - last % 8 } else { last };
            let mut packet_ids = PacketIds { last, free: 0 };
            let mut in_use: BTreeSet<u16> = in_use;
            let (mut expected, mut released) = (last, released.into_iter());
            for _ in 0..20 {
                let packet_id = packet_ids.next(in_use.iter().copied());
                expected = following(expected);
                while in_use.contains(&expected) {
                    expected = following(expected);
                }
                prop_assert!(!in_use.contains(&packet_id) && packet_id != 0);
                prop_assert_eq!(packet_id, expected);
                in_use.insert(packet_id);
                if let Some(index) = released.next() {
                    let gone = *index.get(&in_use.iter().copied().collect::<Vec<_>>());
                    in_use.remove(&gone);
                }
            }
        }
    }

    #[test]
    fn one_that_is_never_released_is_stepped_over_each_time_round() {
        let mut packet_ids = PacketIds::default();
        let stuck = packet_ids.next(std::iter::empty());
        for number in 0..200_000_u32 {
            let packet_id = packet_ids.next(std::iter::once(stuck));
            assert_eq!(u32::from(packet_id), number % 65_534 + 2);
        }
    }
}
