// SPDX-License-Identifier: Apache-2.0
//! What an SDK did wrong, as against what went wrong with the test itself.

use std::fmt;

use serde_json::Value;

/// A judgement: the SDK did not do what the scenario expects of it.
#[derive(Debug)]
pub(crate) struct Wrong {
    what: String,
    /// The error that the SDK gave where none was expected.
    pub(crate) error: Option<Value>,
}

impl Wrong {
    /// As an error to be passed on.
    #[expect(
        clippy::new_ret_no_self,
        reason = "it is only ever passed on as an error"
    )]
    pub(crate) fn new(what: impl Into<String>) -> anyhow::Error {
        let what = what.into();
        anyhow::Error::new(Self { what, error: None })
    }

    /// The SDK gave an error.
    pub(crate) fn failed(error: Value) -> anyhow::Error {
        let what = format!("it failed: {error}");
        let error = Some(error);
        anyhow::Error::new(Self { what, error })
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Wrong {}
