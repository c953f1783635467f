// SPDX-License-Identifier: Apache-2.0
//! What an update makes of a spec: an edit sends only the fields that its mask names.

use prost_reflect::DynamicMessage;
use skep_sdk::reflect::describe;
use skep_sdk::v1::{ServiceSpec, UpdateServiceRequest};

/// The spec that is known, with the fields that the mask names taken from the request; without a
/// mask all of them.
pub(super) fn masked(known: ServiceSpec, request: &UpdateServiceRequest) -> ServiceSpec {
    let sent = request.spec.clone().unwrap_or_default();
    let Some(mask) = &request.update_mask else {
        return sent;
    };
    let dynamic = |spec: &ServiceSpec| {
        let mut message = DynamicMessage::new(describe::<ServiceSpec>());
        message.transcode_from(spec).unwrap();
        message
    };
    let (mut to, from) = (dynamic(&known), dynamic(&sent));
    for path in &mask.paths {
        take(&mut to, &from, path);
    }
    to.transcode_to().unwrap()
}

fn take(to: &mut DynamicMessage, from: &DynamicMessage, path: &str) {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let value = from.get_field_by_name(name).unwrap().into_owned();
    if !from.has_field_by_name(name) {
        to.clear_field_by_name(name);
    } else if rest.is_empty() {
        to.set_field_by_name(name, value);
    } else {
        let below = to.get_field_by_name_mut(name).unwrap();
        let below = below.as_message_mut().unwrap();
        take(below, value.as_message().unwrap(), rest);
    }
}
