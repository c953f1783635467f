// SPDX-License-Identifier: Apache-2.0
//! What can go wrong, in one type.

use std::collections::BTreeMap;
use std::fmt;

use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt};

use crate::v1::ErrorReason;

/// The domain of reasons that come from skep itself.
const DOMAIN: &str = "skep";

/// Any failure of this crate: a call that was refused or failed, a wait that ended badly, or no
/// connection to call over.
#[derive(Debug, Clone)]
pub struct Error {
    /// The canonical gRPC code.
    pub code: Code,
    /// The name of an [`ErrorReason`] less its prefix, such as `NAME_TAKEN`. Empty if no server
    /// said this: see [`Error::is_local`].
    pub reason: String,
    /// What is wrong, for people.
    pub message: String,
    /// Facts for programs; the comment of each [`ErrorReason`] names its keys.
    pub metadata: BTreeMap<String, String>,
    /// Every field that breaks its rules, with INVALID_FIELD.
    pub violations: Vec<FieldViolation>,
}

impl Error {
    /// A failure on this side.
    pub(crate) fn local(code: Code, message: String) -> Self {
        Self::from(Status::new(code, message))
    }

    /// What the caller gave makes no sense.
    pub(crate) fn misuse(message: String) -> Self {
        Self::local(Code::InvalidArgument, message)
    }

    /// Whether it failed for this reason.
    #[must_use]
    pub fn is(&self, reason: ErrorReason) -> bool {
        reason.as_str_name().strip_prefix("ERROR_REASON_") == Some(self.reason.as_str())
    }

    /// Whether no server said this. Then the code tells what it was: UNAVAILABLE, there is no
    /// connection or it broke; PERMISSION_DENIED, this user may not use the socket;
    /// DEADLINE_EXCEEDED, there was no answer in time; INVALID_ARGUMENT, a host or the
    /// configuration is wrong.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.reason.is_empty()
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let (reason, metadata) = info.map_or_else(Default::default, |info| {
            let metadata = info.metadata.clone().into_iter().collect();
            (info.reason.clone(), metadata)
        });
        let violations = details
            .bad_request()
            .map(|bad| bad.field_violations.clone());
        Self {
            code: status.code(),
            reason,
            message: status.message().to_owned(),
            metadata,
            violations: violations.unwrap_or_default(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => f.write_str(self.code.description())?,
            message => f.write_str(message)?,
        }
        for bad in &self.violations {
            write!(f, "\n  {}: {}", bad.field, bad.description)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// What is below all layers of an error.
pub(crate) fn root_cause<'a>(
    mut error: &'a (dyn std::error::Error + 'static),
) -> &'a (dyn std::error::Error + 'static) {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn details_become_fields() {
        let mut details = ErrorDetails::with_error_info(
            "INVALID_FIELD",
            "skep",
            HashMap::from([("k".to_owned(), "v".to_owned())]),
        );
        details.set_bad_request(vec![FieldViolation::new("spec.name", "must not be empty")]);
        let status =
            Status::with_error_details(Code::InvalidArgument, "the request is bad", details);
        let error = Error::from(status);
        assert!(error.is(ErrorReason::InvalidField));
        assert!(!error.is(ErrorReason::NameTaken));
        assert_eq!(
            (error.code, error.is_local()),
            (Code::InvalidArgument, false)
        );
        assert_eq!(error.metadata["k"], "v");
        assert_eq!(error.violations[0].field, "spec.name");
        assert_eq!(
            error.to_string(),
            "the request is bad\n  spec.name: must not be empty"
        );
    }

    #[test]
    fn an_error_without_our_details_is_no_answer_of_a_server() {
        let foreign = ErrorDetails::with_error_info("X", "example.com", HashMap::new());
        let status = Status::with_error_details(Code::Unavailable, "", foreign);
        let error = Error::from(status);
        assert!(error.is_local());
        assert_eq!(error.to_string(), Code::Unavailable.description());
    }
}
