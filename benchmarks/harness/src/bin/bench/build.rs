//! Builds the systems, and measures what building with Dacapo costs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use harness::Figure;

/// Where the programs lie.
pub struct Programs {
    folders: Vec<PathBuf>,
}

impl Programs {
    pub fn path(&self, program: &str) -> PathBuf {
        let paths = self.folders.iter().map(|folder| folder.join(program));
        paths.clone().find(|path| path.exists()).or_else(|| paths.clone().next()).unwrap_or_default()
    }
}

/// Builds each workspace. The peers' lock files are their own, because two packages that link SQLite cannot share one.
pub fn programs(here: &Path) -> anyhow::Result<Programs> {
    let mut folders = Vec::new();
    for workspace in ["", "duroxide"] {
        let target = here.join("target").join(workspace);
        let manifest = here.join(workspace).join("Cargo.toml");
        let mut command = cargo(&["build", "--release", "--bins"]);
        let built = command.arg("--manifest-path").arg(&manifest).env("CARGO_TARGET_DIR", &target).status()?;
        anyhow::ensure!(built.success(), "{} could not be built", manifest.display());
        folders.push(target.join("release"));
    }
    Ok(Programs { folders })
}

fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// What a user's build pays: crates of a hello program, and the time to expand an orchestrator of fifty lines.
pub fn compile_cost(here: &Path) -> anyhow::Result<Vec<Figure>> {
    let project = tempfile::tempdir()?;
    let runtime = here.join("../runtime").canonicalize()?;
    let manifest = format!(
        "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\ndacapo = {{ path = {:?} }}\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\n[workspace]\n",
        runtime.display()
    );
    std::fs::write(project.path().join("Cargo.toml"), manifest)?;
    std::fs::create_dir(project.path().join("src"))?;
    let source = project.path().join("src/main.rs");
    let (few, many) = (20, 120);
    std::fs::write(&source, orchestrators(few))?;
    let figure = |name: &str, value: f64, unit: &str| Figure { name: name.to_owned(), value, unit: unit.to_owned() };
    let mut figures = vec![figure("crates of a hello program", crates(project.path())? as f64, "crates")];
    for (name, profile) in [("expansion, unoptimised build", "dev"), ("expansion, release build", "release")] {
        let target = here.join("target/hello");
        let mut seconds = [0.0; 2];
        for (seconds, count) in seconds.iter_mut().zip([few, many]) {
            let mut times = Vec::new();
            for _ in 0..3 {
                std::fs::write(&source, orchestrators(count))?;
                times.push(expansion(project.path(), &target, profile)?);
            }
            times.sort_by(f64::total_cmp);
            *seconds = times[1];
        }
        figures.push(figure(name, (seconds[1] - seconds[0]) * 1e3 / f64::from(many - few), "ms"));
    }
    Ok(figures)
}

/// How many packages a build compiles.
fn crates(project: &Path) -> anyhow::Result<usize> {
    let output = cargo(&["tree", "--edges", "normal,build", "--prefix", "none", "--no-dedupe", "--format", "{p}"]);
    let output = { output }.current_dir(project).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter(|line| !line.is_empty()).collect::<BTreeSet<_>>().len())
}

/// The seconds rustc spends on expanding the macros of the crate, by its own account.
fn expansion(project: &Path, target: &Path, profile: &str) -> anyhow::Result<f64> {
    let mut command = cargo(&["rustc", "--profile", profile, "--", "-Ztime-passes", "-Ztime-passes-format=json"]);
    let output = command.current_dir(project).env("CARGO_TARGET_DIR", target).env("RUSTC_BOOTSTRAP", "1").output()?;
    let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(output.status.success(), "the hello program could not be built:\n{text}");
    let pass = text.lines().find(|line| line.contains("\"macro_expand_crate\"")).context("rustc has told no times")?;
    let json = pass.get(pass.find('{').unwrap_or(0)..).unwrap_or(pass);
    let pass: serde_json::Value = serde_json::from_str(json)?;
    pass["time"].as_f64().context("rustc tells its times in another form")
}

/// A program of so many orchestrators of fifty lines.
fn orchestrators(count: u32) -> String {
    let (once, each) = include_str!("fifty_lines.rs").split_once("// From here on").unwrap_or_default();
    let each = each.split_once('\n').unwrap_or_default().1;
    let each = (0..count).map(|number| each.replace("process_order", &format!("process_order_{number}")));
    once.to_owned() + &each.collect::<Vec<_>>().join("\n")
}
