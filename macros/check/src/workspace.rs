//! What Cargo knows of a workspace: packages, targets, and what each calls its dependencies.

use cargo_metadata::{Metadata, MetadataCommand, Package, Target, TargetKind};
use dacapo_lint::Externs;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Dacapo's own crates: what they do is durable, and their names are what the rules know.
const OURS: &[&str] = &["dacapo", "dacapo-lint", "dacapo-macros"];

/// The workspace that is checked.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) crates: Vec<Crate>,
    pub(crate) externs: Externs,
}

/// A target that is read.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) package: String,
    /// The first segment of all its paths; no identifier.
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    /// Whether its orchestrators are checked, and not only followed into.
    pub(crate) chosen: bool,
}

impl Workspace {
    /// Asks Cargo; `packages` are those to be checked, all if there are none.
    pub(crate) fn read(manifest: Option<&Path>, packages: &[String]) -> Result<Self, String> {
        let mut command = MetadataCommand::new();
        command.no_deps();
        if let Some(manifest) = manifest {
            command.manifest_path(manifest);
        }
        let metadata = command.exec().map_err(|error| said_by_cargo(&error))?;
        if let Some(unknown) = packages.iter().find(|name| !metadata.packages.iter().any(|package| package.name == **name)) {
            let mut known: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
            known.sort_unstable();
            return Err(format!("the workspace has no package `{unknown}`; it has {}", known.join(", ")));
        }
        Ok(Self::of(&metadata, packages))
    }

    fn of(metadata: &Metadata, chosen: &[String]) -> Self {
        let (mut crates, mut externs) = (Vec::new(), Externs::new());
        for package in metadata.packages.iter().filter(|package| !is_ours(package)) {
            let known = dependencies(metadata, package);
            for target in package.targets.iter().filter(|target| is_read(target)) {
                let name = crate_name(package, target);
                let mut known = known.clone();
                if let Some(library) = library(package).filter(|_| !is_library(target)) {
                    known.insert(library.name.replace('-', "_"), crate_name(package, library));
                }
                // `extern crate self as name`.
                known.insert("self".to_owned(), name.clone());
                externs.insert(name.clone(), known);
                crates.push(Crate {
                    package: package.name.to_string(),
                    name,
                    file: target.src_path.clone().into(),
                    chosen: chosen.is_empty() || chosen.iter().any(|name| package.name == *name),
                });
            }
        }
        Self { root: metadata.workspace_root.clone().into(), crates, externs }
    }
}

/// What `cargo` wrote, without the words around it.
fn said_by_cargo(error: &cargo_metadata::Error) -> String {
    match error {
        cargo_metadata::Error::CargoMetadata { stderr } => {
            let text = stderr.trim();
            text.strip_prefix("error: ").unwrap_or(text).to_owned()
        }
        other => other.to_string(),
    }
}

fn is_ours(package: &Package) -> bool {
    OURS.iter().any(|name| package.name == *name)
}

fn is_library(target: &Target) -> bool {
    use TargetKind::{CDyLib, DyLib, Lib, RLib, StaticLib};
    target.kind.iter().any(|kind| matches!(kind, Lib | RLib | DyLib | CDyLib | StaticLib))
}

fn is_read(target: &Target) -> bool {
    is_library(target) || target.kind.iter().any(|kind| matches!(kind, TargetKind::Bin | TargetKind::Example))
}

fn library(package: &Package) -> Option<&Target> {
    package.targets.iter().find(|target| is_library(target))
}

fn crate_name(package: &Package, target: &Target) -> String {
    if is_library(target) {
        format!("crate:{}", package.name)
    } else {
        let kind = target.kind.first().map(ToString::to_string).unwrap_or_default();
        format!("crate:{}/{kind}/{}", package.name, target.name)
    }
}

/// The names that differ from the crate they stand for, and those of crates of the workspace.
fn dependencies(metadata: &Metadata, package: &Package) -> HashMap<String, String> {
    let mut known = HashMap::new();
    for dependency in &package.dependencies {
        let here = dependency.path.as_ref().and_then(|path| {
            let is_meant =
                |package: &&Package| package.name.as_str() == dependency.name && package.manifest_path.parent() == Some(path);
            metadata.packages.iter().find(is_meant).filter(|package| !is_ours(package))
        });
        let written = |name: &str| dependency.rename.as_deref().unwrap_or(name).replace('-', "_");
        if let Some(package) = here {
            if let Some(library) = library(package) {
                known.insert(written(&library.name), crate_name(package, library));
            }
        } else if dependency.rename.is_some() {
            known.insert(written(&dependency.name), dependency.name.replace('-', "_"));
        }
    }
    known
}
