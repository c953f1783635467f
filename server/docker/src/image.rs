// SPDX-License-Identifier: Apache-2.0
//! Sees to it that the engine has the image of a task.

use std::sync::Arc;

use bollard::models::ImageInspect;
use skep_agent::executor::ExecutorError;
use skep_core::model::{Container, LOCAL_IMAGE, PullPolicy};
use skep_core::node_agent::Note;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::pulls::{PullFailure, Pulls, Template};
use crate::reference::Reference;
use crate::version::ApiVersion;

/// The field that names the image.
pub(crate) const FIELD: &str = "container.image";

/// Since when an engine says where an image was pulled from.
const ORIGIN_SINCE: ApiVersion = ApiVersion::new(1, 53);

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
    let version = engine.version();
    Ok(image
        .and_then(|image| digest_of(&image, &reference, version))
        .unwrap_or_default()
        .into())
}

/// The digest under which the repository's registry knows the image.
///
/// An engine that keeps images in containerd, as Engine 29 does by default, has a digest for each
/// name of an image, also of one that was only built or loaded here; those say where they were
/// pulled from instead.
fn digest_of(image: &ImageInspect, reference: &Reference, version: ApiVersion) -> Option<String> {
    let says_origin = image.descriptor.is_some() && version >= ORIGIN_SINCE;
    let origins = image
        .identity
        .iter()
        .flat_map(|it| it.pull.iter().flatten());
    let mut origins = origins.filter_map(|origin| origin.repository.as_deref());
    if says_origin && !origins.any(|origin| reference.is_of(origin)) {
        return None;
    }
    let digests = image.repo_digests.as_deref().unwrap_or_default();
    reference.digest_among(digests).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{Identity, OciDescriptor, PullIdentity};

    const TAG: &str = "127.0.0.1:5000/bees/web:1";
    const DIGEST: &str = "127.0.0.1:5000/bees/web@sha256:1";

    fn found(image: &ImageInspect, version: ApiVersion) -> Option<String> {
        let reference = Reference::parse(TAG).expect("a reference");
        digest_of(image, &reference, version)
    }

    #[test]
    fn a_digest_counts_only_if_a_registry_gave_it() {
        let now = ORIGIN_SINCE;
        let old = ImageInspect {
            repo_digests: Some(vec![DIGEST.to_owned()]),
            ..ImageInspect::default()
        };
        assert_eq!(found(&ImageInspect::default(), now), None);
        assert_eq!(found(&old, ApiVersion::OLDEST).as_deref(), Some(DIGEST));
        assert_eq!(found(&old, now).as_deref(), Some(DIGEST));

        let in_containerd = ImageInspect {
            descriptor: Some(OciDescriptor::default()),
            ..old
        };
        assert_eq!(found(&in_containerd, now), None);
        let before = ApiVersion::new(1, 52);
        assert_eq!(found(&in_containerd, before).as_deref(), Some(DIGEST));

        let pulled_from = |repository: &str| ImageInspect {
            identity: Some(Identity {
                pull: Some(vec![PullIdentity {
                    repository: Some(repository.to_owned()),
                }]),
                ..Identity::default()
            }),
            ..in_containerd.clone()
        };
        let ours = pulled_from("127.0.0.1/bees/web");
        assert_eq!(found(&ours, now).as_deref(), Some(DIGEST));
        assert_eq!(found(&pulled_from("docker.io/bees/web"), now), None);
    }
}
