// SPDX-License-Identifier: Apache-2.0
//! Placement as Docker writes it: `node.labels.zone==east`, `spread=node.labels.zone`.

use skep_sdk::v1::Requirement;
use skep_sdk::v1::requirement::Operator;

/// Reads a constraint: `KEY==VALUE` or `KEY!=VALUE`. Which keys there are is for the managers to
/// say.
pub(crate) fn parse_constraint(text: &str) -> Result<Requirement, String> {
    let expected = || "expected KEY==VALUE or KEY!=VALUE, such as node.role==manager".to_owned();
    let found = [("==", Operator::In), ("!=", Operator::NotIn)]
        .into_iter()
        .filter_map(|(sign, operator)| Some((text.find(sign)?, sign, operator)))
        .min_by_key(|(place, ..)| *place);
    let (place, sign, operator) = found.ok_or_else(expected)?;
    let (key, value) = (text[..place].trim(), text[place + sign.len()..].trim());
    if key.is_empty() || value.is_empty() {
        return Err(expected());
    }
    Ok(Requirement {
        key: key.to_owned(),
        operator: operator.into(),
        values: vec![value.to_owned()],
    })
}

/// Writes a requirement so that people can read it, and where Docker has a form for it in that.
pub(crate) fn format_requirement(requirement: &Requirement) -> String {
    let Requirement { key, values, .. } = requirement;
    let all = values.join("|");
    match normal(requirement) {
        Operator::NotIn => format!("{key}!={all}"),
        Operator::Exists => format!("{key} exists"),
        Operator::NotExists => format!("{key} does not exist"),
        Operator::Prefix => format!("{key} begins with {all}"),
        Operator::In | Operator::Unspecified => format!("{key}=={all}"),
    }
}

/// Whether two requirements say the same.
pub(crate) fn is_same(one: &Requirement, other: &Requirement) -> bool {
    one.key == other.key && normal(one) == normal(other) && one.values == other.values
}

/// The operator, with what stands for "not set".
fn normal(requirement: &Requirement) -> Operator {
    match requirement.operator() {
        Operator::Unspecified if requirement.values.is_empty() => Operator::Exists,
        Operator::Unspecified => Operator::In,
        operator => operator,
    }
}

/// Reads a placement preference and gives the key to spread over.
pub(crate) fn parse_spread(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((strategy, key)) if strategy.trim() == "spread" && !key.trim().is_empty() => {
            Ok(key.trim().to_owned())
        }
        _ => Err("expected spread=KEY, such as spread=node.labels.zone".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_constraints() {
        for (text, operator, written) in [
            ("node.role==manager", Operator::In, "node.role==manager"),
            (
                " node.labels.a != b=c ",
                Operator::NotIn,
                "node.labels.a!=b=c",
            ),
            ("node.labels.a==x!=y", Operator::In, "node.labels.a==x!=y"),
        ] {
            let found = parse_constraint(text).unwrap();
            assert_eq!(found.operator(), operator, "{text}");
            assert_eq!(format_requirement(&found), written);
        }
        for text in ["node.role", "node.role=manager", "==x", "node.role=="] {
            assert!(
                parse_constraint(text)
                    .unwrap_err()
                    .starts_with("expected KEY==VALUE")
            );
        }
    }

    #[test]
    fn an_operator_that_is_not_set_is_the_one_it_stands_for() {
        let unset = |values: &[&str]| Requirement {
            key: "k".into(),
            values: values.iter().map(|v| (*v).to_owned()).collect(),
            ..Requirement::default()
        };
        assert!(is_same(&unset(&["v"]), &parse_constraint("k==v").unwrap()));
        assert!(!is_same(&unset(&["v"]), &parse_constraint("k!=v").unwrap()));
        assert_eq!(format_requirement(&unset(&[])), "k exists");
        assert_eq!(format_requirement(&unset(&["a", "b"])), "k==a|b");
    }

    #[test]
    fn reads_spread() {
        assert_eq!(
            parse_spread("spread=node.labels.zone").unwrap(),
            "node.labels.zone"
        );
        assert!(parse_spread("node.labels.zone").is_err());
        assert!(parse_spread("binpack=node.labels.zone").is_err());
    }
}
