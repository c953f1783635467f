// SPDX-License-Identifier: Apache-2.0
//! Who this process is, as its environment says, and how it says so.

use std::fmt;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

/// What the agent said through the environment. Empty texts: it did not say.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) task: String,
    pub(crate) task_name: String,
    pub(crate) service: String,
    pub(crate) node: String,
    pub(crate) slot: String,
    pub(crate) greeting: String,
    pub(crate) version: String,
    /// Address to bind.
    pub(crate) address: IpAddr,
    /// HTTP port to bind; 0: any free one.
    pub(crate) port: u16,
}

impl Identity {
    /// Reads it from the environment.
    ///
    /// # Errors
    /// If SKEP_ADDR is no address or PORT no port.
    pub(crate) fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Identity, String> {
        let text = |name: &str| env(name).unwrap_or_default();
        let or = |name: &str, default: &str| env(name).unwrap_or_else(|| default.to_owned());
        let address = or("SKEP_ADDR", &Ipv4Addr::UNSPECIFIED.to_string());
        let port = or("PORT", "8080");
        Ok(Identity {
            task: text("SKEP_TASK_ID"),
            task_name: text("SKEP_TASK_NAME"),
            service: text("SKEP_SERVICE_NAME"),
            node: text("SKEP_NODE_NAME"),
            slot: text("SKEP_SLOT"),
            greeting: or("GREETING", "hello"),
            version: or("VERSION", env!("CARGO_PKG_VERSION")),
            address: address
                .parse()
                .map_err(|_| format!("SKEP_ADDR: {address:?} is not an IP address"))?,
            port: port
                .parse()
                .map_err(|_| format!("PORT: {port:?} is not a port number"))?,
        })
    }

    fn fields(&self) -> [(&'static str, &str); 7] {
        [
            ("greeting", &self.greeting),
            ("version", &self.version),
            ("task", &self.task),
            ("task_name", &self.task_name),
            ("service", &self.service),
            ("node", &self.node),
            ("slot", &self.slot),
        ]
    }

    /// One line a field, `name: value`.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for (name, value) in self.fields() {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(value);
            out.push('\n');
        }
        out
    }

    /// One JSON object of strings, and a newline.
    pub(crate) fn json(&self) -> String {
        let mut out = String::from("{");
        for (place, (name, value)) in self.fields().into_iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            push_json_string(&mut out, name);
            out.push(':');
            push_json_string(&mut out, value);
        }
        out.push_str("}\n");
        out
    }
}

/// The task's name, else its id, else the program's name: how lines of output begin.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [self.task_name.as_str(), self.task.as_str(), "skep-hello"];
        f.write_str(
            names
                .into_iter()
                .find(|name| !name.is_empty())
                .unwrap_or_default(),
        )
    }
}

fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        let value = match name {
            "SKEP_TASK_ID" => "tsk_1",
            "SKEP_TASK_NAME" => "web.1",
            "SKEP_SERVICE_NAME" => "web",
            "SKEP_NODE_NAME" => "n\"1\\\n",
            "SKEP_SLOT" => "1",
            "SKEP_ADDR" => "127.0.0.7",
            "PORT" => "0",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn says_who_it_is_in_text_and_json() {
        let identity = Identity::from_env(&env).expect("a good environment");
        assert_eq!(identity.to_string(), "web.1");
        assert!(
            identity.text().contains("task: tsk_1\n"),
            "{}",
            identity.text()
        );
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "{{\"greeting\":\"hello\",\"version\":\"{version}\",\"task\":\"tsk_1\",\
             \"task_name\":\"web.1\",\"service\":\"web\",\
             \"node\":\"n\\\"1\\\\\\u000a\",\"slot\":\"1\"}}\n"
        );
        assert_eq!(identity.json(), expected);
    }

    #[test]
    fn a_bad_address_or_port_is_named() {
        for (bad, value) in [("SKEP_ADDR", "localhost"), ("PORT", "70000")] {
            let env = |name: &str| (name == bad).then(|| value.to_owned());
            let error = Identity::from_env(&env).expect_err("refused");
            assert!(error.contains(bad) && error.contains(value), "{error}");
        }
    }
}
