//! The bucket of S3 in which AWS IoT keeps the reports of bulk registration tasks.
//!
//! It decides who may read there: whoever has a link that ListThingRegistrationTaskReports gave.
//! What a report says is decided in `iot_core`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_ListThingRegistrationTaskReports.html>.

use crate::caller::Caller;
use crate::cloud::Cloud;
use crate::http::{Method, Request, Response};
use crate::iot_core::ReportFile;
use crate::s3::{self, S3Error, S3ErrorCode};
use crate::trace::Entry;

/// Answers a request of the S3 API that is about AWS's own bucket; its signature was looked at.
pub(super) fn answer(cloud: &Cloud, caller: &Caller, request: &Request) -> Option<Response> {
    let (bucket, key) = s3::place_of(request)?;
    let region = bucket.strip_prefix(ReportFile::BUCKET)?;
    let key = key.unwrap_or_default();
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    let file = ReportFile::of_key(&key).filter(|(account, _)| {
        let scope = &caller.scope;
        reads
            && caller.is_presigned()
            && (account, region) == (&scope.account, scope.region.as_str())
    });
    let Some((_, file)) = file else {
        //? assumed: the bucket is as closed as any of another account
        let why = "it belongs to AWS IoT, and is read by the links of \
                   ListThingRegistrationTaskReports only";
        let entry = Entry::failure(&caller.scope, "AwsApiCall", "AccessDenied");
        let entry = entry.member("uri", request.uri.path()).details("Access Denied").why([why]);
        cloud.trace().record(entry.answer("HTTP 403 AccessDenied"));
        return Some(S3Error::new(S3ErrorCode::AccessDenied, "Access Denied").answer(request));
    };
    let report = cloud.regional(&caller.scope).iot_core.registration_report(&file);
    Some(s3::answer_object(request, &key, report))
}
