// SPDX-License-Identifier: Apache-2.0
//! A command line in one flag, such as `--args "-v --name 'a b'"`, cut into its words.

/// Cuts a text into words as a shell would, without expanding anything: blanks part words,
/// single quotes keep all between them, double quotes keep all but `\"` and `\\`, and a
/// backslash outside quotes keeps the next character.
pub(crate) fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a single quote (') is not closed".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('"') => break,
                        Some('\\') if matches!(rest.peek(), Some('"' | '\\')) => {
                            word.extend(rest.next());
                        }
                        Some(c) => word.push(c),
                        None => return Err("a double quote (\") is not closed".to_owned()),
                    }
                }
            }
            '\\' => match rest.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("nothing follows the last backslash".to_owned()),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_like_a_shell() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("  a  b ", &["a", "b"]),
            ("--name 'a b' c", &["--name", "a b", "c"]),
            (
                r#"sh -c "echo \"$x\" \n""#,
                &["sh", "-c", r#"echo "$x" \n"#],
            ),
            (r"a\ b ''", &["a b", ""]),
            ("x'y'\"z\"", &["xyz"]),
        ];
        for (text, words) in cases {
            assert_eq!(split_words(text).unwrap(), words, "{text}");
        }
        assert!(split_words("'a").unwrap_err().contains("single quote"));
        assert!(split_words("\"a").unwrap_err().contains("double quote"));
        assert!(split_words("a\\").unwrap_err().contains("backslash"));
    }
}
