//! A request that ends without a function's answer: what goes back, and why.

use crate::http::{Response, response, set_header};

/// What the client gets instead, and what the trace says.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) message: &'static str,
    /// For the trace, in the manner of AWS IoT's logs.
    pub(super) reason: &'static str,
    /// The sentence of AWS's execution log, or else what the client reads.
    pub(super) details: String,
    pub(super) why: Vec<String>,
}

impl Refused {
    fn new(status: u16, message: &'static str, reason: &'static str, why: String) -> Self {
        Self { status, message, reason, details: message.to_owned(), why: vec![why] }
    }

    /// 403: the client, or the path, has no business here.
    pub(super) fn forbidden(why: String) -> Self {
        Self::new(403, "Forbidden", "FORBIDDEN", why)
    }

    /// 404: there is no such stage or route.
    pub(super) fn not_found(why: String) -> Self {
        Self::new(404, "Not Found", "NOT_FOUND", why)
    }

    /// 500: the function failed, or did not answer as it has to.
    pub(super) fn failed(why: String) -> Self {
        Self::new(500, "Internal Server Error", "INTEGRATION_FAILURE", why)
    }

    /// The same with another status and message.
    pub(super) fn answering(mut self, status: u16, message: &'static str) -> Self {
        (self.status, self.message) = (status, message);
        self
    }

    /// What goes back to the client.
    pub(super) fn response(&self) -> Response {
        let body = format!("{{\"message\":\"{}\"}}", self.message);
        let mut response = response(self.status, "application/json", body);
        //? assumed: the body and the error type of a mutual TLS refusal are those of any 403
        if self.status == 403 {
            set_header(&mut response, "x-amzn-errortype", "ForbiddenException");
        }
        response
    }
}
