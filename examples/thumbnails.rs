//! Thumbnails: a folder of images is made small on the pool for blocking work, a few at once, and laid out on a contact sheet.
//!
//! ```sh
//! cargo run --release --example thumbnails -- --sample photos     # paints 40 images, and a broken one
//! cargo run --release --example thumbnails -- photos small        # thumbnails and `contact-sheet.png` are in `small`
//! ```
//!
//! An image that cannot be read is reported and does not stop the rest. Kill it and run the same line again: it goes on, and no
//! thumbnail that is recorded is made again.

mod begin;
mod resume;

use std::path::{Path, PathBuf};

use clap::Parser;
use dacapo::{Error, Progress, ReuseId, Runtime, activity, fan_out, orchestrator};
use image::imageops::{self, FilterType};
use image::{ImageFormat, ImageReader, Rgb, RgbImage};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

/// Makes thumbnails of all PNG and JPEG files of a folder, and a contact sheet.
#[derive(Parser)]
struct Args {
    /// The folder with the images
    #[arg(required_unless_present = "sample", requires = "target")]
    source: Option<PathBuf>,
    /// Where the thumbnails go
    target: Option<PathBuf>,
    /// Paints images to try this with, and ends
    #[arg(long, value_name = "FOLDER", conflicts_with = "source")]
    sample: Option<PathBuf>,
    /// How many images the sample has
    #[arg(long, value_name = "N", default_value_t = 40, requires = "sample")]
    images: u32,
    /// The longer side of a thumbnail in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 160, value_parser = clap::value_parser!(u32).range(1..=2000))]
    size: u32,
    /// How many images to work on at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// The database that remembers what has been done
    #[arg(long, value_name = "URL", default_value = "sqlite:thumbnails.db")]
    store: String,
    /// The name of this run; without it one is made of both folders
    #[arg(long)]
    id: Option<String>,
}

/// What there is to do.
#[derive(PartialEq, Serialize, Deserialize)]
struct Job {
    source: PathBuf,
    target: PathBuf,
    size: u32,
    parallel: u16,
}

/// What was done.
#[derive(Serialize, Deserialize)]
struct Report {
    made: usize,
    sheet: Option<PathBuf>,
    /// The files that are no thumbnails now, and why.
    failed: Vec<(String, String)>,
}

/// The names of the images in a folder, sorted.
#[activity]
fn list(folder: PathBuf) -> dacapo::Result<Vec<String>> {
    let unreadable = |error| Error::msg(format!("could not read the folder `{}`: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        // A name that is not UTF-8 names no file any more, and is reported like every file that cannot be read.
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        let kind = ImageFormat::from_path(&name);
        if matches!(kind, Ok(ImageFormat::Png | ImageFormat::Jpeg)) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Makes one thumbnail. A plain `fn` runs on the pool for blocking work, so that the executor goes on meanwhile.
#[activity]
fn thumbnail(image: PathBuf, thumbnail: PathBuf, size: u32) -> dacapo::Result<PathBuf> {
    // A pipe would be waited for.
    if !image.metadata()?.is_file() {
        return Err(Error::msg("it is no file"));
    }
    let decoded = ImageReader::open(&image)?.with_guessed_format()?.decode()?;
    save(&decoded.resize(size, size, FilterType::Triangle).to_rgb8(), &thumbnail)?;
    Ok(thumbnail)
}

/// Lays all thumbnails out in rows, each in the middle of its square.
#[activity]
fn contact_sheet(thumbnails: Vec<PathBuf>, sheet: PathBuf, size: u32) -> dacapo::Result<PathBuf> {
    let columns = (thumbnails.len() as f64).sqrt().ceil().max(1.0) as u32;
    let rows = (thumbnails.len() as u32).div_ceil(columns);
    let square = size + 8;
    let mut page = RgbImage::from_pixel(columns * square, rows * square, Rgb([255; 3]));
    for (thumbnail, number) in thumbnails.iter().zip(0..) {
        let small = image::open(thumbnail)?.to_rgb8();
        let [x, y] = [(number % columns, small.width()), (number / columns, small.height())]
            .map(|(position, length)| i64::from(position * square + (square - length.min(square)) / 2));
        imageops::replace(&mut page, &small, x, y);
    }
    save(&page, &sheet)?;
    Ok(sheet)
}

/// Writes an image that appears when it is complete.
fn save(image: &RgbImage, path: &Path) -> dacapo::Result<()> {
    let part = path.with_extension("part");
    image.save_with_format(&part, ImageFormat::Png)?;
    std::fs::File::open(&part)?.sync_all()?;
    Ok(std::fs::rename(part, path)?)
}

/// All thumbnails, `parallel` at once, then the sheet of those that could be made.
#[orchestrator]
async fn make_thumbnails(job: Job) -> dacapo::Result<Report> {
    let names = list(job.source.clone()).await?;
    let small = |name: &String| thumbnail(job.source.join(name), job.target.join(format!("{name}.png")), job.size);
    let results = fan_out(&names, small).limit(job.parallel.into()).progress().await;

    let (mut made, mut failed) = (Vec::new(), Vec::new());
    for (name, result) in names.into_iter().zip(results) {
        match result {
            Ok(thumbnail) => made.push(thumbnail),
            Err(error) => failed.push((name, error.to_string())),
        }
    }
    let mut report = Report { made: made.len(), sheet: None, failed };
    if !made.is_empty() {
        report.sheet = Some(contact_sheet(made, job.target.join("contact-sheet.png"), job.size).await?);
    }
    Ok(report)
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args: Args = begin::arguments();
    let (source, target) = match (args.source, args.target, args.sample) {
        (Some(source), Some(target), _) => (std::path::absolute(source)?, std::path::absolute(target)?),
        (_, _, Some(folder)) => return paint_sample(&folder, args.images),
        _ => return Err(Error::msg("two folders are needed")),
    };
    std::fs::create_dir_all(&target)?;
    // One folder may have many paths.
    if source.canonicalize().ok() == Some(target.canonicalize()?) {
        return Err(Error::msg("the thumbnails need a folder of their own"));
    }
    let [from, to] = [&source, &target].map(|folder| resume::part_of_id(folder.display()));
    let id = args.id.unwrap_or_else(|| resume::id(format!("{from} to {to}")));
    let job = Job { source, target, size: args.size, parallel: args.parallel };

    let runtime = Runtime::open(&args.store).await?;
    resume::check(&runtime, &id, &job).await?;
    let run = runtime.start(make_thumbnails(job)).id(&id).reuse_id(ReuseId::UseExisting).await?;
    let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template("{bar:30} {pos} of {len} {msg}")?);
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(100));
    let report = loop {
        tokio::select! {
            report = run.result() => break report,
            _ = tick.tick() => if let Some(Progress { done, total, failed }) = run.custom_status().await? {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
                bar.set_message(if failed > 0 { format!("{failed} failed") } else { String::new() });
            }
        }
    };
    bar.finish_and_clear();
    runtime.shutdown().await?;

    let report = report.map_err(resume::failed(&id))?;
    for (name, reason) in &report.failed {
        println!("no thumbnail of {name}: {reason}");
    }
    println!("{} thumbnails, {} failed", report.made, report.failed.len());
    if let Some(sheet) = report.sheet {
        println!("all on one page: {}", sheet.display());
    }
    Ok(())
}

/// Paints images of many colours and sizes, PNG and JPEG by turns, and writes a file that is none.
fn paint_sample(folder: &Path, images: u32) -> dacapo::Result<()> {
    std::fs::create_dir_all(folder)?;
    for number in 0..images {
        let (width, height) = (320 + number % 5 * 40, 240 + number % 3 * 80);
        let shade = |part: u32, whole: u32| (part * 255 / whole) as u8;
        let painted = RgbImage::from_fn(width, height, |x, y| Rgb([shade(x, width), shade(y, height), shade(number, images)]));
        painted.save(folder.join(format!("image {number:03}.{}", if number % 2 == 0 { "png" } else { "jpg" })))?;
    }
    std::fs::write(folder.join("broken.jpg"), "this is no image")?;
    println!("{images} images and a broken one are in {}", folder.display());
    Ok(())
}
