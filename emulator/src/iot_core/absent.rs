//! Operations of devices over HTTPS whose services are not here: shadows, jobs, credentials.
//!
//! It decides that the policies are asked all the same, so that a device without the permission is
//! told so, and that nobody is served. There is one row for each operation.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html>.

use super::http_calls::Call;
use super::requests::HttpCaller;
use super::{IotCore, State};
use crate::errors::ApiError;
use crate::policy::{
    Action, AssumeRoleWithCertificate, DeleteThingShadow, DescribeJobExecution,
    GetPendingJobExecutions, GetThingShadow, ListNamedShadowsForThing, Named,
    StartNextPendingJobExecution, UpdateJobExecution, UpdateThingShadow,
};

/// An operation that AWS has and the emulator has not, and the permission that it needs.
#[derive(Debug)]
struct Row {
    action: &'static str,
    /// As the AWS CLI calls it.
    service: &'static str,
    method: &'static str,
    /// `{}` is what the policy is asked about, `*` may be anything.
    path: &'static [&'static str],
    ask: fn(&mut State, &mut Call<'_>, Named) -> Result<(), ApiError>,
}

const SHADOW: &[&str] = &["things", "{}", "shadow"];
const SHADOWS: &[&str] = &["api", "things", "shadow", "ListNamedShadowsForThing", "{}"];
const JOB: &[&str] = &["things", "{}", "jobs", "*"];
const JOBS: &[&str] = &["things", "{}", "jobs"];
const NEXT_JOB: &[&str] = &["things", "{}", "jobs", "$next"];
const CREDENTIALS: &[&str] = &["role-aliases", "{}", "credentials"];

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
//# over HTTPS each operation of shadows and jobs needs the action of its name
static ROWS: [Row; 9] = [
    row::<GetThingShadow>("iot-data", "GET", SHADOW),
    row::<UpdateThingShadow>("iot-data", "POST", SHADOW),
    row::<DeleteThingShadow>("iot-data", "DELETE", SHADOW),
    row::<ListNamedShadowsForThing>("iot-data", "GET", SHADOWS),
    row::<GetPendingJobExecutions>("iot-jobs-data", "GET", JOBS),
    row::<StartNextPendingJobExecution>("iot-jobs-data", "PUT", NEXT_JOB),
    row::<DescribeJobExecution>("iot-jobs-data", "GET", JOB),
    row::<UpdateJobExecution>("iot-jobs-data", "POST", JOB),
    row::<AssumeRoleWithCertificate>("credentials provider", "GET", CREDENTIALS),
];

const fn row<A: Action<Resource = Named>>(
    service: &'static str,
    method: &'static str,
    path: &'static [&'static str],
) -> Row {
    Row { action: A::NAME, service, method, path, ask: State::ask_unserved::<A> }
}

impl Row {
    /// What the policy is asked about, if this is the operation's path.
    fn named(&self, segments: &[String]) -> Option<Named> {
        let same = |(wanted, found): (&&str, &String)| match *wanted {
            // With a slash it would be the shadow of another thing.
            "{}" => !found.is_empty() && !found.contains('/'),
            "*" => !found.is_empty(),
            word => word == found,
        };
        let matches = self.path.len() == segments.len();
        let matches = matches && self.path.iter().zip(segments).all(same);
        let place = self.path.iter().position(|segment| *segment == "{}")?;
        segments.get(place).filter(|_| matches).map(|name| Named::new(name.as_str()))
    }

    /// As AWS calls the operation, in the trace as well.
    fn name(&self) -> &'static str {
        self.action.split_once(':').map_or(self.action, |(_prefix, name)| name)
    }
}

/// A request for an operation that is not here.
#[derive(Clone, Debug)]
pub(crate) struct Absent {
    row: &'static Row,
    on: Named,
}

impl PartialEq for Absent {
    fn eq(&self, other: &Self) -> bool {
        (self.row.action, &self.on) == (other.row.action, &other.on)
    }
}

impl Eq for Absent {}

impl Absent {
    /// What AWS has at a path, by its decoded segments.
    pub(crate) fn at(segments: &[String]) -> impl Iterator<Item = Self> {
        ROWS.iter().filter_map(|row| Some(Self { row, on: row.named(segments)? }))
    }

    pub(crate) fn method(&self) -> &'static str {
        self.row.method
    }

    /// As AWS calls the operation, in the trace as well.
    pub(crate) fn name(&self) -> &'static str {
        self.row.name()
    }

    /// The same for the shadow `name`, if there is such a thing to ask for.
    #[must_use]
    pub(crate) fn with_shadow(mut self, name: Option<&str>) -> Self {
        let name = name.filter(|_| self.row.path == SHADOW);
        self.on = self.on.with_shadow(name);
        self
    }
}

impl IotCore {
    /// Why the caller is not served: it may not ask, or nobody is here to answer.
    pub(crate) fn refuse_absent(&self, caller: &HttpCaller, absent: Absent) -> ApiError {
        let Absent { row, on } = absent;
        self.locked(|state, now| {
            let mut call = Call::new(caller, row.name(), self.scope(), now);
            let asked = (row.ask)(state, &mut call, on);
            asked.err().unwrap_or_else(|| ApiError::not_here(row.service, row.name()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service_model;

    #[test]
    fn c22_the_rows_of_the_data_plane_are_aws_own_and_not_here() {
        for row in ROWS.iter().filter(|row| row.service == "iot-data") {
            let path = format!("/{}", row.path.join("/"));
            let expected = Some((row.service, row.name()));
            assert_eq!(service_model::not_here(&["iot-data"], row.method, &path), expected);
        }
    }
}
