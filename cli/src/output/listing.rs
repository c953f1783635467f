// SPDX-License-Identifier: Apache-2.0
//! Lists of objects: every format from one description of their columns.

use skep_sdk::Name;

use super::format::{Format, write_value};
use super::json::Json;
use super::table::Table;
use super::template::{Scope, Template};
use crate::args::ListFlags;
use crate::failure::Failure;

/// A column: its name in templates and its heading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Docker's name for it.
    pub(crate) field: &'static str,
    /// What stands above it.
    pub(crate) heading: &'static str,
    /// Whether the table has it without being asked.
    pub(crate) is_shown: bool,
}

/// A column that tables have.
pub(crate) const fn shown(field: &'static str, heading: &'static str) -> Column {
    Column {
        field,
        heading,
        is_shown: true,
    }
}

/// A column for templates alone.
pub(crate) const fn hidden(field: &'static str, heading: &'static str) -> Column {
    Column {
        field,
        heading,
        is_shown: false,
    }
}

/// An object in a list, with a cell for each column.
#[derive(Debug, Clone)]
pub(crate) struct Row<M> {
    /// What names it, whole: its id.
    pub(crate) id: String,
    /// The object.
    pub(crate) object: M,
    /// Its cells.
    pub(crate) cells: Vec<String>,
}

/// Objects of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Listing<M> {
    /// The columns of every row.
    pub(crate) columns: &'static [Column],
    /// The rows, in order.
    pub(crate) rows: Vec<Row<M>>,
    /// Least width of a column of the table.
    pub(crate) min_width: usize,
}

impl<M: Name> Listing<M> {
    /// The list as the flags want it.
    pub(crate) fn render(&self, flags: &ListFlags) -> Result<String, Failure> {
        if flags.quiet {
            return Ok(self
                .rows
                .iter()
                .map(|row| format!("{}\n", row.id))
                .collect());
        }
        match &flags.format {
            Format::Table => Ok(self.table()),
            Format::Json | Format::Yaml => {
                let objects: Vec<Json> = self.rows.iter().map(|r| Json::of(&r.object)).collect();
                write_value(&objects, &flags.format)
            }
            Format::Template(template) => Ok(self
                .lines(template)?
                .iter()
                .map(|line| format!("{line}\n"))
                .collect()),
            Format::TableOf(template) => self.table_of(template),
        }
    }

    fn table(&self) -> String {
        let is_shown = |cells: &[String]| -> Vec<String> {
            let pairs = cells.iter().zip(self.columns);
            pairs
                .filter(|(_, column)| column.is_shown)
                .map(|(cell, _)| cell.clone())
                .collect()
        };
        let headings = self.columns.iter().filter(|column| column.is_shown);
        let headings = headings.map(|column| column.heading.to_owned()).collect();
        let mut table = Table::new(headings).min_width(self.min_width);
        self.rows
            .iter()
            .for_each(|row| table.push(is_shown(&row.cells)));
        table.render()
    }

    fn lines(&self, template: &Template) -> Result<Vec<String>, Failure> {
        let line = |row: &Row<M>| {
            let cells = self.columns.iter().zip(&row.cells);
            let columns: Vec<_> = cells
                .map(|(column, cell)| (column.field, cell.clone()))
                .collect();
            template.render(Scope {
                columns: &columns,
                object: &Json::of(&row.object),
            })
        };
        let lines: Result<Vec<String>, String> = self.rows.iter().map(line).collect();
        lines.map_err(Failure::usage)
    }

    /// The fields of a template as columns: tabs part them.
    fn table_of(&self, template: &Template) -> Result<String, Failure> {
        let heading = |field: &str| {
            self.columns
                .iter()
                .find(|column| column.field == field)
                .map(|column| column.heading)
        };
        let split = |line: &str| line.split('\t').map(ToOwned::to_owned).collect::<Vec<_>>();
        let mut table = Table::new(split(&template.headings(heading))).min_width(self.min_width);
        self.lines(template)?
            .iter()
            .for_each(|line| table.push(split(line)));
        Ok(table.render())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use crate::show::service::listing;

    fn render(format: &str, quiet: bool) -> Result<String, Failure> {
        let format = Format::parse(format).unwrap();
        let flags = ListFlags {
            quiet,
            filter: Vec::new(),
            format,
            no_trunc: false,
        };
        listing(vec![sample::service(), sample::global_service()], false).render(&flags)
    }

    #[test]
    fn every_format_shows_the_same_objects() {
        let ids = format!("{}\n{}\n", sample::id("svc", 2), sample::id("svc", 1));
        assert_eq!(render("table", true).unwrap(), ids);
        assert_eq!(
            render("{{.Name}}/{{.spec.labels.team}}", false).unwrap(),
            "agent/\nweb/shop\n"
        );
        let table = render("table {{.Name}}\\t{{.Mode}}", false).unwrap();
        assert_eq!(
            table,
            "NAME      MODE\nagent     global\nweb       replicated\n"
        );
        let json: serde_json::Value =
            serde_json::from_str(&render("json", false).unwrap()).unwrap();
        assert_eq!(json[1]["spec"]["name"], "web");
        assert!(render("yaml", false).unwrap().starts_with("- meta:\n"));
        assert!(render("{{.Digest}}", false).is_err());
    }
}
