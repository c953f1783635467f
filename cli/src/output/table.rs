// SPDX-License-Identifier: Apache-2.0
//! Tables as Docker draws them: no borders, columns apart by blanks.

/// Blanks between a column's widest cell and the next column.
const PADDING: usize = 3;

/// Rows under one line of headings. Cells are one line each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    min_width: usize,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(headings: Vec<String>) -> Self {
        Self {
            headings,
            ..Self::default()
        }
    }

    /// The same table with columns at least this wide, the blanks between them included.
    pub(crate) fn min_width(mut self, width: usize) -> Self {
        self.min_width = width;
        self
    }

    /// Adds a row. It has as many cells as there are headings.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        debug_assert_eq!(row.len(), self.headings.len(), "{row:?}");
        self.rows.push(row);
    }

    /// The table as text, each line ended by a newline.
    pub(crate) fn render(&self) -> String {
        let lines: Vec<&Vec<String>> = std::iter::once(&self.headings).chain(&self.rows).collect();
        let width = |column: usize| {
            let widest = lines.iter().map(|row| row[column].chars().count()).max();
            (widest.unwrap_or(0) + PADDING).max(self.min_width)
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        let mut text = String::new();
        for row in lines {
            let cells = row.iter().zip(&widths);
            let line: String = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["ID", "NAME", "PORTS"].map(String::from).into()).min_width(6);
        table.push(vec![
            "q6b2i9bihtvi".into(),
            "ä".into(),
            "*:8080->6379/tcp".into(),
        ]);
        table.push(vec!["x".into(), "redis".into(), String::new()]);
        assert_eq!(
            table.render(),
            "ID             NAME    PORTS\n\
             q6b2i9bihtvi   ä       *:8080->6379/tcp\n\
             x              redis\n"
        );
    }
}
