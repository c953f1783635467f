// SPDX-License-Identifier: Apache-2.0
//! Options in one text with commas between them, as Docker reads them: an option in double quotes
//! may hold commas, and a double quote written twice.

/// Splits `type=bind,"source=/a,b",target=/c` into its options.
pub(crate) fn split_options(text: &str) -> Result<Vec<String>, String> {
    let mut options = Vec::new();
    let mut rest = text;
    loop {
        let (option, after) = if let Some(quoted) = rest.strip_prefix('"') {
            take_quoted(quoted)?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (option, after) = rest.split_at(end);
            if option.contains('"') {
                return Err(format!(
                    "{option:?} has a quote inside; put the whole option in quotes: \
                     \"KEY=VALUE\""
                ));
            }
            (option.to_owned(), after)
        };
        options.push(option);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok(options),
        }
    }
}

/// The option up to its closing quote, and what follows that.
fn take_quoted(text: &str) -> Result<(String, &str), String> {
    let mut option = String::new();
    let mut rest = text;
    loop {
        let Some((inside, after)) = rest.split_once('"') else {
            return Err(format!("the quote before {text:?} is never closed"));
        };
        option.push_str(inside);
        if let Some(more) = after.strip_prefix('"') {
            option.push('"');
            rest = more;
        } else if after.is_empty() || after.starts_with(',') {
            return Ok((option, after));
        } else {
            return Err(format!("expected a comma before {after:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_commas() {
        for (text, want) in [
            ("a,b=c", &["a", "b=c"][..]),
            ("a,\"b=c,d\",e", &["a", "b=c,d", "e"]),
            ("\"a\"\"b\"", &["a\"b"]),
            ("\"\",", &["", ""]),
        ] {
            assert_eq!(split_options(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn quotes_that_make_no_sense_are_said() {
        for (text, part) in [
            ("a,\"b", "is never closed"),
            ("\"a\"b,c", "expected a comma before \"b,c\""),
            ("a=\"b,c\"", "has a quote inside"),
        ] {
            let error = split_options(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
