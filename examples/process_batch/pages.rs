//! `RenderPageActivity` in two versions: one returns the image, which lands in the history; the other stores it and returns a reference.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dacapo::{activity, orchestrator, try_fan_out};
use image::{ImageFormat, RgbImage};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStoreExt as _, path::Path as Key};
use serde::{Deserialize, Serialize};

use crate::pascal;

/// The object store for rendered pages.
pub(crate) struct Blobs(LocalFileSystem);

impl Blobs {
    /// A folder, which is created if needed.
    pub(crate) fn open(folder: &Path) -> dacapo::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self(LocalFileSystem::new_with_prefix(folder)?))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
pub(crate) struct RenderedPage {
    page: u32,
    /// In Base64, as .NET writes a `byte[]`.
    image: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
pub(crate) struct PageRef {
    page: u32,
    blob_name: String,
}

pascal::records!(RenderedPage, PageRef);

/// The history gets every byte of the image.
#[activity(name = "RenderPageActivityBroken")]
pub(crate) fn render_page_broken(page: u32) -> dacapo::Result<RenderedPage> {
    Ok(RenderedPage { page, image: BASE64_STANDARD.encode(to_png(page)?) })
}

/// The history gets the name of the blob.
#[activity(name = "RenderPageActivity")]
pub(crate) async fn render_page(page: u32) -> dacapo::Result<PageRef> {
    let image = tokio::task::spawn_blocking(move || to_png(page)).await??;
    let blob_name = format!("pages/{page}.png");
    dacapo::state::<Blobs>().0.put(&Key::parse(&blob_name)?, image.into()).await?;
    Ok(PageRef { page, blob_name })
}

/// Renders `pages` pages into the history, and returns their numbers.
#[orchestrator(name = "RenderPagesBrokenOrchestrator")]
pub(crate) async fn render_pages_broken(pages: u32) -> dacapo::Result<Vec<u32>> {
    let rendered = try_fan_out(1..=pages, render_page_broken).limit(4).await?;
    Ok(rendered.into_iter().map(|RenderedPage { page, .. }| page).collect())
}

/// Renders `pages` pages into the object store, and returns where they are.
#[orchestrator(name = "RenderPagesOrchestrator")]
pub(crate) async fn render_pages(pages: u32) -> dacapo::Result<Vec<PageRef>> {
    try_fan_out(1..=pages, render_page).limit(4).await
}

/// Noise, since it cannot be compressed.
fn to_png(page: u32) -> dacapo::Result<Vec<u8>> {
    let mut state = page;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let image = RgbImage::from_fn(640, 480, |_, _| [noise(), noise(), noise()].into());
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}
