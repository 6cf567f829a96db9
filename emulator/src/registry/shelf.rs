//! Where the registry keeps its records: found by key, and listed in the order of their creation.
//!
//! What a page of a list is, `paging.rs` decides.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds as _};

/// A shelf with at most so many records keeps them in one row.
const FEW: usize = 8;

/// Records by key, and in the order of their creation.
#[derive(Clone, Debug)]
pub(super) struct Shelf<K, V>(Form<K, V>);

/// How a shelf keeps its records. A fleet has a shelf for each thing and each principal, nearly all
/// with one record or none: a row of the exact size costs a tenth of the nodes of a tree.
#[derive(Clone, Debug)]
enum Form<K, V> {
    // INVARIANT: sorted by position.
    Few(Vec<(u64, K, V)>),
    Many(Box<Many<K, V>>),
}

#[derive(Clone, Debug)]
struct Many<K, V> {
    records: BTreeMap<K, (u64, V)>,
    // INVARIANT: holds the key of each record under its position, and nothing else.
    order: BTreeMap<u64, K>,
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self(Form::Few(Vec::new()))
    }
}

impl<K: Ord + Clone, V> Many<K, V> {
    fn insert(&mut self, position: u64, key: K, record: V) {
        if let Some((old, _)) = self.records.insert(key.clone(), (position, record)) {
            self.order.remove(&old);
        }
        self.order.insert(position, key);
    }
}

impl<K: Ord + Clone, V> Shelf<K, V> {
    /// Keeps a record that was created at `position`; one under the same key gives way.
    pub(super) fn insert(&mut self, position: u64, key: K, record: V) {
        match &mut self.0 {
            Form::Many(many) => many.insert(position, key, record),
            Form::Few(row) => {
                row.retain(|(_, other, _)| *other != key);
                if row.len() < FEW {
                    let index = row.partition_point(|(other, ..)| *other < position);
                    row.reserve_exact(1);
                    row.insert(index, (position, key, record));
                    return;
                }
                let mut many = Many { records: BTreeMap::new(), order: BTreeMap::new() };
                for (position, key, record) in row.drain(..).chain([(position, key, record)]) {
                    many.insert(position, key, record);
                }
                self.0 = Form::Many(Box::new(many));
            }
        }
    }

    /// Takes a record out.
    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match &mut self.0 {
            Form::Few(row) => {
                let index = row.iter().position(|(_, other, _)| other.borrow() == key)?;
                let (.., record) = row.remove(index);
                row.shrink_to_fit();
                Some(record)
            }
            Form::Many(many) => {
                let (position, record) = many.records.remove(key)?;
                many.order.remove(&position);
                Some(record)
            }
        }
    }

    fn placed<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(u64, &V)>
    where
        K: Borrow<Q>,
    {
        match &self.0 {
            Form::Few(row) => {
                let found = row.iter().find(|(_, other, _)| other.borrow() == key);
                found.map(|(position, _, record)| (*position, record))
            }
            Form::Many(many) => many.records.get(key).map(|(position, record)| (*position, record)),
        }
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.placed(key).map(|(_, record)| record)
    }

    /// Where a record stands in the order of creation.
    pub(super) fn position<Q: Ord + ?Sized>(&self, key: &Q) -> Option<u64>
    where
        K: Borrow<Q>,
    {
        self.placed(key).map(|(position, _)| position)
    }

    pub(super) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match &mut self.0 {
            Form::Few(row) => {
                let found = row.iter_mut().find(|(_, other, _)| (*other).borrow() == key);
                found.map(|(.., record)| record)
            }
            Form::Many(many) => many.records.get_mut(key).map(|(_, record)| record),
        }
    }

    pub(super) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.placed(key).is_some()
    }

    pub(super) fn len(&self) -> usize {
        match &self.0 {
            Form::Few(row) => row.len(),
            Form::Many(many) => many.records.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys, in their own order.
    pub(super) fn sorted_keys(&self) -> impl Iterator<Item = &K> {
        let mut few: Vec<&K> = self.row().iter().map(|(_, key, _)| key).collect();
        few.sort_unstable();
        few.into_iter().chain(self.many().into_iter().flat_map(|many| many.records.keys()))
    }

    /// The keys, oldest first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The records, oldest first.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, record)| record)
    }

    /// Keys and records, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.between((Bound::Unbounded, Bound::Unbounded)).map(|(_, key, record)| (key, record))
    }

    /// Positions, keys and records of a part of the order, oldest first.
    pub(super) fn between(
        &self,
        part: (Bound<u64>, Bound<u64>),
    ) -> impl DoubleEndedIterator<Item = (u64, &K, &V)> {
        let few = self.row().iter().filter(move |(position, ..)| part.contains(position));
        let few = few.map(|(position, key, record)| (*position, key, record));
        let many = self.many().into_iter().flat_map(move |many| {
            let order = many.order.range(part);
            order.filter_map(|(place, key)| Some((*place, key, &many.records.get(key)?.1)))
        });
        few.chain(many)
    }

    fn row(&self) -> &[(u64, K, V)] {
        match &self.0 {
            Form::Few(row) => row,
            Form::Many(_) => &[],
        }
    }

    fn many(&self) -> Option<&Many<K, V>> {
        match &self.0 {
            Form::Few(_) => None,
            Form::Many(many) => Some(many),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn few_records_and_many_are_kept_alike(
            changes in proptest::collection::vec((0_u8..20, proptest::bool::weighted(0.7)), 0..60)
        ) {
            let mut shelf = Shelf::default();
            let mut model: Vec<(u64, u8)> = Vec::new();
            for (position, (key, kept)) in (0..).zip(changes) {
                model.retain(|(_, other)| *other != key);
                if kept {
                    shelf.insert(position, key, position);
                    model.push((position, key));
                } else {
                    shelf.remove(&key);
                }
                let found: Vec<_> = shelf.iter().map(|(key, record)| (*record, *key)).collect();
                proptest::prop_assert_eq!(&found, &model);
                let mut sorted: Vec<_> = model.iter().map(|(_, key)| *key).collect();
                sorted.sort_unstable();
                proptest::prop_assert_eq!(shelf.sorted_keys().copied().collect::<Vec<_>>(), sorted);
                proptest::prop_assert_eq!(shelf.len(), model.len());
                let place = model.iter().find(|(_, other)| *other == key).map(|(place, _)| *place);
                proptest::prop_assert_eq!(shelf.position(&key), place);
                proptest::prop_assert_eq!(shelf.get_mut(&key).copied(), place);
                let behind = (Bound::Excluded(3), Bound::Unbounded);
                let newest = shelf.between(behind).rev().map(|(place, key, _)| (place, *key));
                let expected = model.iter().rev().filter(|(place, _)| *place > 3).copied();
                proptest::prop_assert!(newest.eq(expected));
            }
        }
    }
}
