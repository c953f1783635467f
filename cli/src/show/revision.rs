// SPDX-License-Identifier: Apache-2.0
//! Revisions of a service in a table.

use std::time::SystemTime;

use skep_sdk::v1::ServiceRevision;

use super::age;
use super::runs::runs;
use crate::output::human::{ago, cut};
use crate::output::listing::{Column, Listing, Row, hidden, shown};

/// Most characters of the fields that changed.
const CHANGED_WIDTH: usize = 60;

const COLUMNS: [Column; 8] = [
    shown("Revision", "REVISION"),
    shown("Current", "CURRENT"),
    shown("Good", "GOOD"),
    shown("Tasks", "TASKS"),
    shown("Created", "CREATED"),
    shown("By", "BY"),
    shown("Changed", "CHANGED"),
    hidden("Image", "IMAGE"),
];

/// Revisions in the order they came, of which one is what tasks should be made from.
pub(crate) fn listing(
    revisions: Vec<ServiceRevision>,
    current: u64,
    now: SystemTime,
    whole: bool,
) -> Listing<ServiceRevision> {
    let row = |object: ServiceRevision| {
        let mark = |holds: bool| if holds { "*" } else { "" }.to_owned();
        let changed = object.changed_paths.join(", ");
        let changed = if whole {
            changed
        } else {
            cut(&changed, CHANGED_WIDTH)
        };
        let cells = vec![
            object.template_revision.to_string(),
            mark(object.template_revision == current),
            mark(object.good),
            object.running_tasks.to_string(),
            ago(age(object.create_time.as_ref(), now)),
            object.caller.clone(),
            changed,
            runs(object.template.as_ref()),
        ];
        Row {
            id: object.template_revision.to_string(),
            object,
            cells,
        }
    };
    Listing {
        columns: &COLUMNS,
        rows: revisions.into_iter().map(row).collect(),
        min_width: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ListFlags;
    use crate::output::format::Format;
    use crate::sample;

    fn render(format: &str, quiet: bool) -> String {
        let flags = ListFlags {
            quiet,
            filter: vec![],
            format: Format::parse(format).unwrap(),
            no_trunc: false,
        };
        listing(sample::revisions(), 12, sample::now(), false)
            .render(&flags)
            .unwrap()
    }

    #[test]
    fn revisions_are_listed_newest_first() {
        crate::golden::check("service-history.txt", &render("table", false));
        assert_eq!(render("table", true), "12\n9\n7\n");
        assert_eq!(
            render("{{.Revision}} {{.Good}} {{.Image}}", false),
            "12  /usr/local/bin/shop --serve 'a b'\n9 * web:1\n7 * web:1\n"
        );
        let json: serde_json::Value = serde_json::from_str(&render("json", false)).unwrap();
        assert_eq!(json[1]["templateRevision"], "9");
    }
}
