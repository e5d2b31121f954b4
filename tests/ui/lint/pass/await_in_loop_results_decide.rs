//! Exemption 2: what came back decides whether the loop goes on.

use dacapo::{activity, orchestrator};

#[activity]
async fn ask(shop: String) -> dacapo::Result<Option<u64>> {
    Ok(Some(shop.len() as u64))
}

#[activity]
async fn undo(shop: String) {
    drop(shop);
}

#[orchestrator]
async fn find_first(shops: Vec<String>) -> dacapo::Result<Option<u64>> {
    for shop in shops {
        if let Some(price) = ask(shop).await? {
            return Ok(Some(price));
        }
    }
    Ok(None)
}

#[orchestrator]
async fn fail_over(shops: Vec<String>) -> dacapo::Result<Option<u64>> {
    let mut last = None;
    for shop in shops {
        match ask(shop).await {
            Ok(price) => return Ok(price),
            Err(error) => last = Some(error),
        }
    }
    last.map_or(Ok(None), Err)
}

#[orchestrator]
async fn enough(shops: Vec<String>) -> dacapo::Result<u64> {
    let mut sum = 0;
    for shop in shops {
        sum += ask(shop).await?.unwrap_or(0);
        if sum > 100 {
            break;
        }
    }
    Ok(sum)
}

#[orchestrator]
async fn skipped(shops: Vec<String>) -> dacapo::Result<Vec<String>> {
    let mut open = vec![];
    for shop in shops {
        let Some(price) = ask(shop.clone()).await? else { continue };
        open.push(format!("{shop}: {price}"));
    }
    Ok(open)
}

#[orchestrator]
async fn until_done(shop: String) -> dacapo::Result<u64> {
    let mut tries = 0;
    while ask(shop.clone()).await?.is_none() {
        tries += 1;
    }
    while let Some(_more) = ask(shop.clone()).await? {
        tries += 1;
    }
    Ok(tries)
}

#[orchestrator]
async fn undone(shops: Vec<String>) -> dacapo::Result<()> {
    let mut asked = vec![];
    for shop in shops {
        match ask(shop.clone()).await {
            Ok(_) => asked.push(shop),
            Err(error) => {
                #[sequential]
                for shop in asked {
                    undo(shop).await;
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

#[orchestrator]
async fn outer(streets: Vec<Vec<String>>) -> dacapo::Result<Option<u64>> {
    let mut best = None;
    'streets: for street in streets {
        for shop in street {
            best = ask(shop).await?;
            if best.is_some() {
                break 'streets;
            }
        }
    }
    Ok(best)
}

fn main() {}
