//! What an IAM identity may do: IAM is not here, so it is one policy that allows all of AWS IoT.
//!
//! It goes through the same evaluation as any other, so that no check is passed over.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iam-policies.html>.

use std::sync::{Arc, LazyLock};

use crate::names::PolicyName;
use crate::policy::{AttachedTo, Document, PolicyInForce, PolicyVersion};

static EVERYTHING: LazyLock<Arc<PolicyVersion>> = LazyLock::new(|| {
    let document = r#"{
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "iot:*", "Resource": "*" }]
    }"#;
    Arc::new(PolicyVersion {
        name: PolicyName::new("IAM identity"),
        version_id: 1,
        document: Document::parse(document).expect("the document is a policy"),
    })
});

//? assumed: its IAM policies allow an IAM identity everything; this one has no name that AWS shows
/// What counts for a caller who signs with SigV4 and is no Amazon Cognito identity.
pub(crate) fn policy_of_iam_identities() -> PolicyInForce {
    PolicyInForce::new(Arc::clone(&EVERYTHING), AttachedTo::IamIdentity)
}
