// SPDX-License-Identifier: Apache-2.0
//! Writes what is wanted of all services to a file, and brings it back.
//!
//! ```text
//! backup save FILE        all services as they were at one revision
//! backup restore FILE     make each service what the file says; others are left as they are
//! ```

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;

use prost_reflect::DynamicMessage;
use skep_sdk::v1::{ListServicesRequest, ServiceSpec, UpdateServiceRequest};
use skep_sdk::{Client, Context, reflect};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments.as_slice() {
        ["save", file] => save(file).await,
        ["restore", file] => restore(file).await,
        _ => {
            eprintln!("usage: backup save|restore FILE");
            return ExitCode::from(2);
        }
    };
    let Err(error) = ended else {
        return ExitCode::SUCCESS;
    };
    eprintln!("Error: {error}");
    ExitCode::FAILURE
}

/// Writes a spec a line, in proto JSON.
async fn save(file: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::connect(&Context::from_env()?).await?;
    let mut request = ListServicesRequest::default();
    let mut lines = String::new();
    let mut count = 0;
    let revision = loop {
        let page = client.services().list_services(request.clone()).await;
        let page = page.map_err(skep_sdk::Error::from)?.into_inner();
        for service in page.services {
            let spec = reflect::dynamic(&service.spec.unwrap_or_default());
            lines += &serde_json::to_string(&spec)?;
            lines.push('\n');
            count += 1;
        }
        if page.next_page_token.is_empty() {
            break page.revision;
        }
        request.page_token = page.next_page_token;
    };
    // Environments may hold secrets.
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let written = options
        .open(file)
        .and_then(|mut file| file.write_all(lines.as_bytes()));
    written.map_err(|error| format!("{file}: {error}"))?;
    println!("{count} services as of revision {revision}");
    Ok(())
}

/// Makes each service what its line says.
async fn restore(file: &str) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let specs = text.lines().map(read).collect::<Result<Vec<_>, _>>();
    let specs = specs.map_err(|error| format!("{file}: {error}"))?;
    let client = Client::connect(&Context::from_env()?).await?;
    for spec in specs {
        let name = spec.name.clone();
        let request = UpdateServiceRequest {
            spec: Some(spec),
            allow_missing: true,
            ..UpdateServiceRequest::default()
        };
        let restored = client.services().update_service(request).await;
        restored.map_err(|status| format!("{name}: {}", skep_sdk::Error::from(status)))?;
        println!("{name} is restored");
    }
    Ok(())
}

fn read(line: &str) -> Result<ServiceSpec, Box<dyn Error>> {
    let mut json = serde_json::Deserializer::from_str(line);
    let spec = DynamicMessage::deserialize(reflect::describe::<ServiceSpec>(), &mut json)?;
    json.end()?;
    Ok(spec.transcode_to()?)
}
