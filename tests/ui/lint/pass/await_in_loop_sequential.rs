//! Exemption 6: said out loud, on every kind of loop.

use dacapo::{activity, orchestrator};

#[activity]
async fn print(page: u64) -> dacapo::Result<()> {
    println!("{page}");
    Ok(())
}

#[orchestrator]
async fn pages(pages: Vec<u64>) -> dacapo::Result<()> {
    #[sequential]
    for page in &pages {
        print(*page).await?;
    }

    let mut rest = pages.clone();
    #[sequential]
    while let Some(page) = rest.pop() {
        print(page).await?;
    }

    let mut number = 0;
    #[sequential]
    while number < 3 {
        print(number).await?;
        number += 1;
    }

    #[sequential]
    for page in pages {
        #[sequential]
        for copy in 0..page {
            print(copy).await?;
        }
    }
    Ok(())
}

fn main() {}
