//! FP-5: what AWS answers on a reserved topic goes to the connection that asked.

use super::*;

const TOPIC: &str = "$aws/certificates/create/json/accepted";

/// AWS answers `connection` at QoS 1.
fn answer(stage: &mut Stage, connection: ConnectionId) -> Answered {
    let publication =
        Publication { payload: "yes".into(), qos: QoS::AtLeastOnce, ..Publication::default() };
    let permit = Permit::<Publish>::of_aws(TopicName::new(TOPIC));
    stage.broker.answer(permit, publication, connection, stage.now)
}

#[test]
fn fp_5_an_answer_is_for_the_asker_alone() {
    let mut stage = Stage::default();
    let (asks, listens) = (stage.join("asks"), stage.join("listens"));
    for (connection, filter) in [
        (asks, TOPIC),
        (asks, "$aws/certificates/create/json/+"),
        (listens, TOPIC),
        (listens, "$share/g/$aws/certificates/#"),
    ] {
        stage.subscribe(connection, filter, 1);
    }
    assert_eq!(answer(&mut stage, asks), Answered::Queued);
    // Once, though two of its filters match.
    let yes = (TOPIC.to_owned(), "yes".to_owned(), 1, false);
    assert_eq!(stage.receive(asks), [yes]);
    assert_eq!(stage.receive(listens), []);
}

#[test]
fn fp_5_without_a_subscription_or_a_connection_nobody_gets_an_answer() {
    let mut stage = Stage::default();
    let asks = stage.connect("asks", persistent()).connection;
    assert_eq!(answer(&mut stage, asks), Answered::NotSubscribed);
    stage.subscribe(asks, "$share/g/$aws/certificates/#", 1);
    assert_eq!(answer(&mut stage, asks), Answered::NotSubscribed);
    stage.subscribe(asks, TOPIC, 0);
    assert_eq!(answer(&mut stage, asks), Answered::Queued);
    let yes = (TOPIC.to_owned(), "yes".to_owned(), 0, false);
    assert_eq!(stage.receive(asks), [yes]);
    // The session lives on, and so does its subscription: the connection does not.
    let again = stage.connect("asks", persistent()).connection;
    assert_eq!(answer(&mut stage, asks), Answered::Gone);
    assert_eq!(stage.receive(again), []);
}
