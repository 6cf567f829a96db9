//! PT-3, PT-10, PT-11 and PT-13 for what a template says of a thing besides its attributes: its
//! type, its groups, its billing group.

use super::jitp::{common_name, config, connect_and_provision, failing, provisioning_by, thing};
use super::*;
use crate::names::ThingName;

/// Things are lamps in the cellar of a house, and some that exist are fans in the attic.
fn furnish(registry: &mut Registry) {
    for name in ["Lamp", "Fan"] {
        registry.create_thing_type(input(json!({ "thingTypeName": name })), NOW).unwrap();
    }
    for name in ["Cellar", "Attic", "Loan"] {
        registry.create_thing_group(input(json!({ "thingGroupName": name })), NOW).unwrap();
    }
    for name in ["North", "South"] {
        registry.create_billing_group(input(json!({ "billingGroupName": name })), NOW).unwrap();
    }
}

fn exists(registry: &mut Registry) {
    furnish(registry);
    let lamp = json!({
        "thingName": "lamp", "thingTypeName": "Fan", "billingGroupName": "South",
    });
    registry.create_thing(input(lamp), NOW).unwrap();
    for group in ["Attic", "Loan"] {
        let pair = json!({ "thingGroupName": group, "thingName": "lamp" });
        registry.add_thing_to_thing_group(input(pair), NOW).unwrap();
    }
}

/// Type, groups and billing group of `lamp`.
fn shown(registry: &Registry) -> (Option<&str>, Vec<String>, Option<&str>) {
    let thing = registry.thing(&ThingName::new("lamp")).expect("a thing");
    let groups = registry.groups_of_thing("lamp").map(ToString::to_string).collect();
    (thing.thing_type_name(), groups, thing.billing_group_name())
}

#[test]
fn pt_3_a_new_thing_has_its_type_its_groups_and_its_billing_group() {
    let properties = json!({
        "ThingTypeName": "Lamp", "ThingGroups": ["Cellar", "Loan"], "BillingGroup": "North",
    });
    let (mut registry, ca) = provisioning_by(config(common_name(), thing(properties, Value::Null)));
    furnish(&mut registry);
    let provisioned = connect_and_provision(&mut registry, &ca.issue("lamp")).unwrap();
    let groups = vec!["Cellar".to_owned(), "Loan".to_owned()];
    assert_eq!(shown(&registry), (Some("Lamp"), groups, Some("North")));
    assert!(
        provisioned.lines.contains(&"put thing `lamp` into group `Cellar`".to_owned()),
        "{:?}",
        provisioned.lines
    );
}

#[test]
fn pt_11_an_existing_thing_follows_the_settings_of_type_and_groups() {
    let type_is = |setting: Value| {
        thing(json!({ "ThingTypeName": "Lamp" }), json!({ "ThingTypeName": setting }))
    };
    let groups_are = |setting: Value| {
        let groups = json!({ "ThingGroups": ["Loan", "Cellar"] });
        thing(groups, json!({ "ThingGroups": setting }))
    };
    let attic = ["Attic", "Loan"];
    let table = [
        (type_is(json!("DO_NOTHING")), "Fan", attic.to_vec()),
        (type_is(json!("REPLACE")), "Lamp", attic.to_vec()),
        (groups_are(json!("DO_NOTHING")), "Fan", attic.to_vec()),
        (groups_are(json!("REPLACE")), "Fan", vec!["Loan", "Cellar"]),
        (groups_are(json!("MERGE")), "Fan", vec!["Attic", "Loan", "Cellar"]),
    ];
    for (resources, thing_type, groups) in table {
        let (mut registry, ca) = provisioning_by(config(common_name(), resources.clone()));
        exists(&mut registry);
        connect_and_provision(&mut registry, &ca.issue("lamp")).unwrap();
        let groups: Vec<String> = groups.into_iter().map(str::to_owned).collect();
        assert_eq!(shown(&registry), (Some(thing_type), groups, Some("South")), "{resources}");
    }
}

#[test]
fn pt_11_and_13_a_thing_that_differs_and_what_is_not_there_end_the_run() {
    let arn = "arn:aws:iot:us-east-1:000000000000:thinggroup";
    let groups = format!(
        "Existing ThingGroups: [{{GroupName: Attic,GroupArn: {arn}/Attic}}, {{GroupName: \
         Loan,GroupArn: {arn}/Loan}}] conflict with ThingGroups: [Cellar] in Template."
    );
    let table = [
        (
            json!({ "ThingTypeName": "Lamp" }),
            "Existing ThingType: Fan conflicts with ThingType: Lamp in Template.",
        ),
        (json!({ "ThingGroups": ["Cellar"] }), groups.as_str()),
        (
            json!({ "BillingGroup": "North" }),
            "Existing BillingGroup: South conflicts with BillingGroup: North in Template.",
        ),
        (json!({ "ThingGroups": ["Sky"] }), "ThingGroup 000000000000:Sky not found."),
    ];
    for (properties, cause) in table {
        let (step, error, registry) =
            failing(config(common_name(), thing(properties, Value::Null)), exists);
        assert_eq!(step, "thing");
        assert!(error.ends_with(&format!("terminates due to: {cause}")), "{error}");
        let groups = vec!["Attic".to_owned(), "Loan".to_owned()];
        assert_eq!(shown(&registry), (Some("Fan"), groups, Some("South")), "nothing has changed");
    }
}

#[test]
fn a_template_whose_group_is_made_later_goes_through_on_the_next_connection() {
    let properties = json!({ "ThingTypeName": "Lamp", "ThingGroups": ["Garden"] });
    let resources = thing(properties, Value::Null);
    let (mut registry, ca) = provisioning_by(config(common_name(), resources));
    furnish(&mut registry);
    let device = ca.issue("lamp");
    connect_and_provision(&mut registry, &device).expect_err("there is no garden");
    registry.create_thing_group(input(json!({ "thingGroupName": "Garden" })), NOW).unwrap();
    connect_and_provision(&mut registry, &device).expect("there is one now");
    assert_eq!(shown(&registry), (Some("Lamp"), vec!["Garden".to_owned()], None));
}
