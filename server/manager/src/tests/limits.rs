// SPDX-License-Identifier: Apache-2.0
//! Every field of every request has its limit, and says so by its path.

use prost_reflect::{DynamicMessage, Kind, MapKey, Value};
use skep_proto::v1::ErrorReason;
use tonic::Status;

use super::desk::{Desk, Told, spec, told};
use super::raw::{call_with, pool};
use super::samples::{self, Sample, Spot, is_kind, spots, with};
use crate::error::reason_name;

/// The world that the samples are made for.
async fn world() -> Desk {
    let desk = Desk::new().await;
    desk.create(spec("web")).await;
    desk
}

fn violations(result: Result<impl Sized, Status>, what: &str) -> Told {
    let Err(status) = result else {
        panic!("{what} is taken");
    };
    let told = told(&status);
    let wanted = reason_name(ErrorReason::InvalidField);
    assert_eq!(told.reason, wanted, "{what}: {}", told.message);
    told
}

/// Calls with `bad` in the place of the value at each spot that fits, and sees it refused by
/// its path, or by the path of what is in it.
async fn each_is_refused(fits: impl Fn(&Spot) -> bool, bad: impl Fn(&Spot) -> Value) -> usize {
    let desk = world().await;
    let mut count = 0;
    for Sample { path, request } in samples::all() {
        for spot in spots(&request).into_iter().filter(|spot| fits(spot)) {
            let request = with(&request, &spot, bad(&spot));
            let what = format!("{path}: {}", spot.path);
            let told = violations(call_with(&desk.channel, path, &request).await, &what);
            let named = told
                .fields
                .iter()
                .any(|field| field.starts_with(&spot.path));
            assert!(named, "{what}: only {:?} are named", told.fields);
            count += 1;
        }
    }
    count
}

#[tokio::test]
async fn values_of_enums_that_are_not_known_are_refused() {
    let one = |spot: &Spot| is_kind(spot, |kind| matches!(kind, Kind::Enum(_)));
    let unknown = |spot: &Spot| match spot.field.is_list() {
        true => Value::List(vec![Value::EnumNumber(99)]),
        false => Value::EnumNumber(99),
    };
    assert!(each_is_refused(one, unknown).await >= 13);
}

#[tokio::test]
async fn texts_that_are_too_long_are_refused() {
    let is_text = |spot: &Spot| is_kind(spot, |kind| matches!(kind, Kind::String));
    let long = |spot: &Spot| {
        let text = Value::String("/".repeat(131_073));
        match spot.field.is_list() {
            true => Value::List(vec![text]),
            false => text,
        }
    };
    assert!(each_is_refused(is_text, long).await >= 40);
}

#[tokio::test]
async fn lists_that_are_too_long_are_refused() {
    let long = |spot: &Spot| {
        let value = match spot.field.kind() {
            Kind::String => Value::String("/x".to_owned()),
            Kind::Enum(_) => Value::EnumNumber(1),
            Kind::Message(message) => Value::Message(DynamicMessage::new(message)),
            kind => panic!("no list of {kind:?} is known"),
        };
        Value::List(vec![value; 1_025])
    };
    assert!(each_is_refused(|spot| spot.field.is_list(), long).await >= 20);
}

#[tokio::test]
async fn maps_that_are_too_large_are_refused() {
    let large = |spot: &Spot| {
        let entry = spot.field.kind();
        let value = entry
            .as_message()
            .expect("maps are of entries")
            .map_entry_value_field();
        let value = Value::default_value_for_field(&value);
        let key = |number: u32| MapKey::String(format!("k{number}"));
        Value::Map(
            (0..1_025)
                .map(|number| (key(number), value.clone()))
                .collect(),
        )
    };
    assert!(each_is_refused(|spot| spot.field.is_map(), large).await >= 7);
}

#[tokio::test]
async fn spans_of_time_have_bounds() {
    let is_span = |spot: &Spot| {
        is_kind(spot, |kind| {
            kind.as_message()
                .is_some_and(|m| m.full_name() == "google.protobuf.Duration")
        })
    };
    for seconds in [-1, 1 << 40] {
        let bad = |_: &Spot| {
            let duration = pool().get_message_by_name("google.protobuf.Duration");
            let mut span = DynamicMessage::new(duration.expect("it is imported"));
            span.set_field_by_name("seconds", Value::I64(seconds));
            Value::Message(span)
        };
        assert!(each_is_refused(is_span, bad).await >= 12);
    }
}

#[tokio::test]
async fn numbers_have_bounds() {
    let most = |spot: &Spot| match spot.field.kind() {
        Kind::Uint32 => Value::U32(u32::MAX),
        Kind::Int64 => Value::I64(-2),
        _ => Value::U64(u64::MAX),
    };
    let is_number = |spot: &Spot| {
        is_kind(spot, |kind| {
            matches!(kind, Kind::Uint32 | Kind::Uint64 | Kind::Int64)
        })
    };
    assert!(each_is_refused(is_number, most).await >= 20);
}

#[tokio::test]
async fn a_spec_has_a_size() {
    let desk = world().await;
    let mut spec = spec("large");
    if let Some(skep_proto::v1::task_template::Workload::Process(process)) = spec
        .template
        .as_mut()
        .and_then(|template| template.workload.as_mut())
    {
        process.args = vec!["x".repeat(131_072); 8];
    }
    let request = skep_proto::v1::CreateServiceRequest {
        spec: Some(spec),
        request_id: String::new(),
    };
    let told = violations(
        desk.services().create_service(request).await,
        "a large spec",
    );
    assert_eq!(told.fields, ["spec"]);
}
