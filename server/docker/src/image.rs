// SPDX-License-Identifier: Apache-2.0
//! Sees to it that the engine has the image of a task.

use std::sync::Arc;

use skep_agent::executor::ExecutorError;
use skep_core::model::{Container, LOCAL_IMAGE, PullPolicy};
use skep_core::node_agent::Note;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::pulls::{PullFailure, Pulls, Template};
use crate::reference::Reference;

/// The field that names the image.
pub(crate) const FIELD: &str = "container.image";

/// Gets the image, by the policy of the container, for this template. Says what people should know of it.
///
/// # Errors
/// If the engine does not have it then.
pub(crate) async fn provide(
    engine: &Engine,
    pulls: &Arc<Pulls>,
    container: &Container,
    template: Template,
    tell: impl Fn(String),
) -> Result<Option<Note>, ExecutorError> {
    let image = container.image.as_str();
    let policy = container.pull();
    let is_here = async || Ok::<_, EngineError>(engine.image(image).await?.is_some());
    let Some(reference) = Reference::parse(image) else {
        let missing = "the node has no image with this id, and no registry can be asked for one";
        return match is_here().await? {
            true => Ok(None),
            false => Err(ExecutorError::refused(FIELD, missing)),
        };
    };
    if policy != PullPolicy::Always && is_here().await? {
        return Ok(None);
    }
    if policy == PullPolicy::Never {
        let problem = format!("the node does not have \"{image}\", and container.pull is NEVER");
        return Err(ExecutorError::refused(FIELD, problem));
    }
    tell(String::new());
    let Err(failure) = pulls.pull(&reference, template, tell).await else {
        return Ok(None);
    };
    if is_here().await? {
        return Ok(Some(fallen_back(&failure)));
    }
    let problem = format!("cannot pull \"{image}\": {}", failure.told());
    Err(if failure.is_final {
        ExecutorError::refused(FIELD, problem)
    } else {
        ExecutorError::Engine(problem)
    })
}

fn fallen_back(failure: &PullFailure) -> Note {
    let words = failure.told();
    Note {
        reason: LOCAL_IMAGE,
        message: format!("the image that the node has is used: pulling it failed: {words}").into(),
    }
}

/// What the task's message says while its image is pulled.
pub(crate) fn pulling(image: &str, progress: &str) -> Note {
    let far = if progress.is_empty() { "" } else { ": " };
    Note {
        reason: "PULLING",
        message: format!("pulling {image}{far}{progress}").into(),
    }
}

/// The image that a container is made from, with its digest; empty: it came from no registry.
pub(crate) async fn digest(
    engine: &Engine,
    reference: &str,
    image_id: &str,
) -> Result<Arc<str>, EngineError> {
    let Some(reference) = Reference::parse(reference) else {
        return Ok(Arc::default());
    };
    let image = engine.image(image_id).await?;
    let digests = image
        .and_then(|image| image.repo_digests)
        .unwrap_or_default();
    Ok(reference.digest_among(&digests).unwrap_or_default().into())
}
