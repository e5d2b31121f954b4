//! A document through its steps: traits, generics and helper functions around a plain orchestrator.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Document {
    title: String,
    pages: Vec<String>,
}

trait Describe {
    fn describe(&self) -> String;
}

impl Describe for Document {
    fn describe(&self) -> String {
        format!("{} ({} pages)", self.title, self.pages.len())
    }
}

fn longest<'a, T, F>(items: &'a [T], length: F) -> Option<&'a T>
where
    F: Fn(&T) -> usize,
{
    items.iter().max_by_key(|item| length(item))
}

#[activity]
async fn scan(path: String) -> dacapo::Result<Document> {
    Ok(Document { title: path, pages: vec![] })
}

#[activity]
async fn recognize(page: String) -> dacapo::Result<String> {
    Ok(page.to_uppercase())
}

#[activity]
async fn file_away(title: String, text: String) -> dacapo::Result<String> {
    Ok(format!("{title}: {}", text.len()))
}

#[orchestrator]
pub async fn archive(path: String) -> dacapo::Result<String> {
    let document = scan(path).await?;
    println!("scanned {}", document.describe());
    let pages = dacapo::try_fan_out(document.pages.clone(), recognize).limit(4).await?;
    if let Some(page) = longest(&pages, String::len) {
        println!("the longest page has {} letters", page.len());
    }
    let text = pages.iter().map(|page| page.trim()).collect::<Vec<_>>().join("\n");
    let place = file_away(document.title.clone(), text).await?;
    assert!(!place.is_empty(), "{} has no place", document.describe());
    Ok(place)
}

fn main() {}
