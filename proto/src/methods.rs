// SPDX-License-Identifier: Apache-2.0
//! What a client must know of each method before it calls: read from the contract by `make
//! gen`, because looking it up in the descriptors would cost every start of a program.

/// Facts about one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Method {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// It answers with a stream, which has no deadline.
    pub streams: bool,
    /// It answers once something has come to pass; its request says how long that may take.
    pub waits: bool,
    /// It may be sent again: it changes nothing, or once for each value of `request_id`.
    pub repeatable: bool,
    /// The number of its field `request_id`, if it has one.
    pub request_id: Option<u32>,
}

/// All methods of the public API, by path.
pub const METHODS: &[Method] = include!("gen/methods.rs");

/// The method at a path; of an unknown one nothing is assumed.
#[must_use]
pub fn find(path: &str) -> Method {
    let found = METHODS.binary_search_by(|method| method.path.cmp(path));
    found.map_or_else(|_| Method::default(), |index| METHODS[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_path() {
        for method in METHODS {
            assert_eq!(find(method.path), *method);
        }
        assert_eq!(find("/x/Y"), Method::default());
    }

    #[test]
    fn only_founding_and_leaving_are_unprotected() {
        let once = METHODS.iter().filter(|method| !method.repeatable);
        let once: Vec<_> = once.map(|method| method.path).collect();
        assert_eq!(
            once,
            [
                "/skep.v1.DaemonService/InitSwarm",
                "/skep.v1.DaemonService/LeaveSwarm"
            ]
        );
        let create = find("/skep.v1.ServiceService/CreateService");
        assert_eq!((create.request_id, create.streams), (Some(2), false));
        assert!(find("/skep.v1.WatchService/Watch").streams);
        let waits = METHODS.iter().filter(|method| method.waits);
        let waits: Vec<_> = waits.map(|method| method.path).collect();
        assert_eq!(waits, ["/skep.v1.ServiceService/WaitService"]);
    }
}
