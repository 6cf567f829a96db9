//! Whatever is asked in whatever order: what stands in two places stands there alike, nothing is
//! left of what went, and what changes a decision is said to.

use proptest::prelude::*;

use super::*;

/// Few, so that requests meet.
const NAMES: [&str; 2] = ["a", "b"];

/// One request: which operation, and the names that it is about.
type Request = (u8, usize, usize, bool);

/// The names in a request.
struct Named {
    operation: u8,
    name: &'static str,
    second: &'static str,
    other: &'static str,
    id: CertificateId,
    arn: String,
    target: String,
    flag: bool,
    tags: Value,
}

fn about_things(registry: &mut Registry, request: &Named, now: Timestamp) -> Result<(), ApiError> {
    let Named { operation, name, second, flag, tags, .. } = request;
    match operation {
        0 => {
            let json = json!({ "thingName": name, "thingTypeName": flag.then_some(*second) });
            registry.create_thing(input(json), now).map(drop)
        }
        1 => registry.delete_thing(input(json!({ "thingName": name })), now),
        2 => {
            let payload = json!({ "attributes": { "x": second }, "merge": flag });
            let json = json!({
                "thingName": name,
                "attributePayload": payload,
                "thingTypeName": flag.then_some(*second),
                "removeThingType": !flag,
            });
            registry.update_thing(input(json), now)
        }
        3 => {
            let json = json!({ "thingTypeName": name, "tags": tags });
            registry.create_thing_type(input(json), now).map(drop)
        }
        4 => {
            let json = json!({ "thingTypeName": name });
            registry.delete_thing_type(input(json), now)
        }
        _ => {
            let json = json!({ "thingTypeName": name, "undoDeprecate": flag });
            registry.deprecate_thing_type(input(json), now)
        }
    }
}

fn about_groups(registry: &mut Registry, request: &Named, now: Timestamp) -> Result<(), ApiError> {
    let Named { operation, name, second, other, flag, tags, .. } = request;
    match operation {
        6 => {
            let parent = (*flag && name != second).then_some(*second);
            let json = json!({ "thingGroupName": name, "parentGroupName": parent, "tags": tags });
            registry.create_thing_group(input(json), now).map(drop)
        }
        7 => registry.delete_thing_group(input(json!({ "thingGroupName": name })), now),
        8 => {
            let json = json!({ "thingName": name, "thingGroupName": second });
            registry.add_thing_to_thing_group(input(json), now)
        }
        9 => {
            let json = json!({ "thingName": name, "thingGroupName": second });
            registry.remove_thing_from_thing_group(input(json), now)
        }
        10 => {
            let json = json!({ "billingGroupName": name, "tags": tags });
            registry.create_billing_group(input(json), now).map(drop)
        }
        11 => registry.delete_billing_group(input(json!({ "billingGroupName": name }))),
        12 => {
            let json = json!({ "thingName": name, "billingGroupName": second });
            registry.add_thing_to_billing_group(input(json))
        }
        13 => {
            let json = json!({ "thingName": name, "billingGroupName": second });
            registry.remove_thing_from_billing_group(input(json))
        }
        _ => {
            let group = json!({
                "thingName": name,
                "thingGroupsToAdd": [second],
                "thingGroupsToRemove": [other],
            });
            registry.update_thing_groups_for_thing(input(group), now)
        }
    }
}

fn about_policies(
    registry: &mut Registry,
    request: &Named,
    now: Timestamp,
) -> Result<(), ApiError> {
    let Named { operation, name, target, flag, tags, .. } = request;
    match operation {
        14 => {
            let json = json!({
                "policyName": name, "policyDocument": ALLOW_ALL, "tags": tags
            });
            registry.create_policy(input(json), now).map(drop)
        }
        15 => registry.delete_policy(input(json!({ "policyName": name }))),
        16 => {
            let json = json!({
                "policyName": name, "policyDocument": ALLOW_ALL, "setAsDefault": flag
            });
            registry.create_policy_version(input(json), now).map(drop)
        }
        17 => {
            let json = json!({ "policyName": name, "policyVersionId": "1" });
            if *flag {
                registry.set_default_policy_version(input(json), now)
            } else {
                registry.delete_policy_version(input(json))
            }
        }
        18 => {
            let json = json!({ "policyName": name, "target": target });
            registry.attach_policy(input(json))
        }
        _ => {
            let json = json!({ "policyName": name, "target": target });
            registry.detach_policy(input(json))
        }
    }
}

fn about_certificates(
    registry: &mut Registry,
    request: &Named,
    now: Timestamp,
) -> Result<(), ApiError> {
    let Named { operation, name, arn, id, flag, .. } = request;
    match operation {
        20 => {
            let kind = if *flag { "EXCLUSIVE_THING" } else { "NON_EXCLUSIVE_THING" };
            let json = json!({ "thingName": name, "principal": arn, "thingPrincipalType": kind });
            registry.attach_thing_principal(input(json))
        }
        21 => {
            let json = json!({ "thingName": name, "principal": arn });
            registry.detach_thing_principal(input(json))
        }
        22 => {
            let json = json!({
                "certificateId": id, "targetAwsAccount": "210987654321"
            });
            registry.begin_transfer(input(json), now).map(|departure| {
                if *flag {
                    registry.undo_transfer(departure);
                }
            })
        }
        23 => {
            let offered = registry.cancellable_transfer(&input(json!({ "certificateId": id })));
            offered.map(|(id, target)| registry.transfer_cancelled(id, &target, now))
        }
        _ => {
            let status = if *flag { "INACTIVE" } else { "REVOKED" };
            let json = json!({ "certificateId": id, "newStatus": status });
            registry.update_certificate(input(json), now)
        }
    }
}

struct Stage {
    registry: Registry,
    certificates: Vec<(CertificateId, String)>,
    now: Timestamp,
}

impl Stage {
    fn new() -> Self {
        let mut registry = registry();
        let certificates = NAMES.map(|name| {
            let identity = Identity::self_signed(name);
            register_without_ca(&mut registry, &identity, "INACTIVE");
            let id = identity.certificate_id();
            (id, registry.certificate_arn(id).to_string())
        });
        Self { registry, certificates: certificates.into(), now: NOW }
    }

    /// Asks, and lets AWS refuse.
    fn ask(&mut self, (operation, one, other, flag): Request) {
        let (id, arn) = &self.certificates[other];
        let group = self.registry.scope.iot_arn("thinggroup", NAMES[other]).to_string();
        let request = Named {
            operation,
            name: NAMES[one],
            second: NAMES[other],
            other: NAMES[(other + 1) % NAMES.len()],
            id: *id,
            arn: arn.clone(),
            target: if flag { arn.clone() } else { group },
            flag,
            tags: json!([{ "Key": "k", "Value": "v" }]),
        };
        let about = match operation {
            0..=5 => about_things,
            6..=13 | 25 => about_groups,
            14..=19 => about_policies,
            _ => about_certificates,
        };
        let _answer = about(&mut self.registry, &request, self.now);
        self.now = self.now + std::time::Duration::from_secs(90);
    }

    /// What decides about each certificate with each client ID.
    fn deciding(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (id, _) in &self.certificates {
            for name in NAMES {
                let thing = self.registry.associated_thing(*id, &ClientId::new(name));
                let policies = self.registry.policies_in_force(*id, thing.as_ref());
                let policies: Vec<_> = policies
                    .iter()
                    .map(|policy| format!("{} {}", policy.name, policy.version_id))
                    .collect();
                let thing = thing.and_then(|name| self.registry.thing(&name));
                let thing =
                    thing.map(|thing| (&thing.name, thing.thing_type_name(), &thing.attributes));
                let status = self.registry.certificate(*id).map(|record| record.status);
                all.push(format!("{policies:?} {thing:?} {status:?}"));
            }
        }
        all
    }

    fn check(&self) {
        let registry = &self.registry;
        let sorted = |mut pairs: Vec<String>| {
            pairs.sort_unstable();
            pairs
        };
        let things = || registry.things.iter();
        // Principals and things.
        let here = things().flat_map(|(name, thing)| {
            thing.principals.iter().map(move |(target, kind)| format!("{name} {target:?} {kind}"))
        });
        let there = registry.principal_things.iter().flat_map(|(target, things)| {
            assert!(!things.is_empty());
            things.iter().map(move |(name, kind)| format!("{name} {target:?} {kind}"))
        });
        assert_eq!(sorted(here.collect()), sorted(there.collect()));
        // Policies and targets.
        let here = registry.policies.iter().flat_map(|(name, policy)| {
            policy.targets.keys().map(move |target| format!("{name} {target:?}"))
        });
        let there = registry.attached_policies.iter().flat_map(|(target, policies)| {
            assert!(!policies.is_empty());
            policies.keys().map(move |name| format!("{name} {target:?}"))
        });
        assert_eq!(sorted(here.collect()), sorted(there.collect()));
        // Thing groups and things; thing groups and their parents.
        let here = registry.thing_groups.iter().flat_map(|(group, record)| {
            record.things.keys().map(move |thing| format!("{thing} {group}"))
        });
        let there = registry.groups_of_things.iter().flat_map(|(thing, groups)| {
            assert!(!groups.is_empty() && registry.things.contains_key(thing));
            groups.iter().map(move |group| format!("{thing} {group}"))
        });
        assert_eq!(sorted(here.collect()), sorted(there.collect()));
        let here = registry.thing_groups.iter().flat_map(|(group, record)| {
            record.children.iter().map(move |child| format!("{child} {group}"))
        });
        let there = registry
            .thing_groups
            .iter()
            .filter_map(|(child, record)| Some(format!("{child} {}", record.parent.as_ref()?)));
        assert_eq!(sorted(here.collect()), sorted(there.collect()));
        // Billing groups, thing types, what is offered.
        let here = registry.billing_groups.keys().flat_map(|group| {
            let json = json!({ "billingGroupName": group });
            let listed = registry.list_things_in_billing_group(input(json)).unwrap().things;
            listed.into_iter().map(move |thing| format!("{thing} {group}"))
        });
        let there = things()
            .filter_map(|(name, thing)| Some(format!("{name} {}", thing.billing_group_name()?)));
        assert_eq!(sorted(here.collect()), sorted(there.collect()));
        for (name, thing_type) in registry.thing_types.iter() {
            let of_type = things().filter(|(_, it)| it.thing_type_name() == Some(name.as_str()));
            assert_eq!(of_type.count(), thing_type.things);
        }
        let pending = registry.certificates.iter().filter(|(_, record)| {
            assert_eq!(
                record.offered_to().is_some(),
                record.status == CertificateStatus::PendingTransfer
            );
            record.offered_to().is_some()
        });
        let offered = pending.map(|(id, _)| (registry.certificates.position(id), id));
        let listed = registry.outgoing.keys().map(|id| (registry.outgoing.position(id), id));
        assert!(listed.eq(offered));
        // Tags of what is here, and of nothing else.
        for arn in registry.tags.keys() {
            let json = json!({ "resourceArn": arn });
            let listed = registry.list_tags_for_resource(input(json), |_| false);
            assert_eq!(outcome(&listed), "200");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn what_stands_in_two_places_stands_there_alike(
        requests in proptest::collection::vec((0_u8..26, 0_usize..2, 0_usize..2, any::<bool>()), 0..200)
    ) {
        let mut stage = Stage::new();
        for request in requests {
            let (before, revision) = (stage.deciding(), stage.registry.policy_revision());
            stage.ask(request);
            let same = stage.deciding() == before;
            prop_assert!(same || stage.registry.policy_revision() > revision, "{:?}", request);
            stage.check();
        }
    }
}
