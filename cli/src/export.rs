//! `export`: orchestrations with their histories, one JSON object a line.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

use dacapo::{Client, InstanceStatus};
use futures::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::json;

use crate::cli::Export;
use crate::end::End;
use crate::inspect::PAGE;
use crate::output::{self, harmless};
use crate::recorded::{self, Recorded};
use crate::view::View;

/// How many histories are read at once.
const PARALLEL: usize = 8;

pub(crate) async fn export(client: &Client, export: Export, json: bool) -> dacapo::Result<End> {
    let counts = client.counts().await?;
    let bar = output::progress(export.filter.is_empty().then(|| counts.total()), "exporting");
    let exported = match &export.output {
        None => write_all(client, &export, &bar, &mut BufWriter::new(std::io::stdout().lock())).await,
        Some(path) => write_file(client, &export, &bar, path).await,
    };
    bar.finish_and_clear();
    let count = match exported {
        // Whoever stops reading, as `head` does, has seen enough.
        Err(Failed::Unwritable(error)) if error.kind() == ErrorKind::BrokenPipe => return Ok(End::Done),
        Err(Failed::Unwritable(error)) => {
            let place = export.output.as_ref().map_or("standard output".to_owned(), |path| format!("`{}`", path.display()));
            return Err(dacapo::Error::msg(format!("could not write to {place}: {error}")));
        }
        Err(Failed::Other(error)) => return Err(error),
        Ok(count) => count,
    };
    match &export.output {
        Some(path) if json => output::print_json(&json!({ "exported": count, "file": path.to_string_lossy() }))?,
        Some(path) => output::print(&format!("{count} exported to {}\n", harmless(path.display())))?,
        None => {}
    }
    Ok(End::Done)
}

enum Failed {
    Unwritable(std::io::Error),
    Other(dacapo::Error),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Unwritable(error)
    }
}

impl From<dacapo::Error> for Failed {
    fn from(error: dacapo::Error) -> Self {
        Self::Other(error)
    }
}

/// A file has its name, and replaces what had it, when it is complete. What is no file, such as a pipe, is written to.
async fn write_file(client: &Client, export: &Export, bar: &indicatif::ProgressBar, path: &Path) -> Result<u64, Failed> {
    let target = match path.canonicalize() {
        Ok(target) if target.is_file() => target,
        Err(_) if path.symlink_metadata().is_err() => path.to_owned(),
        _ => return write_all(client, export, bar, &mut BufWriter::new(File::create(path)?)).await,
    };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut part = tempfile::Builder::new().suffix(".part").make_in(folder, |path| File::create_new(path))?;
    let count = write_all(client, export, bar, &mut BufWriter::new(part.as_file_mut())).await?;
    if let Ok(earlier) = target.metadata() {
        part.as_file().set_permissions(earlier.permissions())?;
    }
    part.as_file().sync_all()?;
    part.persist(&target).map_err(|failed| failed.error)?;
    Ok(count)
}

async fn write_all(client: &Client, export: &Export, bar: &indicatif::ProgressBar, out: &mut impl Write) -> Result<u64, Failed> {
    let query = export.filter.clone().query(client).page_size(PAGE);
    let (mut count, mut next) = (0, Some(query.clone()));
    while let Some(page) = next {
        let page = page.await.map_err(dacapo::Error::from)?;
        next = page.next().map(|token| query.clone().after(token));
        let mut lines = stream::iter(page.instances()).map(|instance| line_of(client, instance)).buffered(PARALLEL);
        while let Some(line) = lines.next().await {
            if let Some(line) = line? {
                writeln!(out, "{line}")?;
                count += 1;
            }
            bar.inc(1);
        }
    }
    out.flush()?;
    Ok(count)
}

/// Nothing for one that was purged a moment ago.
async fn line_of(client: &Client, instance: &InstanceStatus) -> dacapo::Result<Option<String>> {
    #[derive(Serialize)]
    struct Exported<'a> {
        #[serde(flatten)]
        instance: View<'a>,
        history: Vec<Recorded>,
    }
    let id = instance.instance_id();
    let found = match client.status(id).await {
        Ok(status) => client.history(id).await.map(|history| (status, history)),
        Err(error) => Err(error),
    };
    match found {
        Ok((status, history)) => {
            let line = Exported { instance: View::whole(&status)?, history: recorded::turns(&history)? };
            Ok(Some(recorded::on_one_line(&serde_json::to_string(&line)?)))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
