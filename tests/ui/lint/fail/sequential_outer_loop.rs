//! `#[sequential]` speaks for the loop it stands on, not for the loop inside.

#[dacapo::activity]
async fn ship(line: String) -> dacapo::Result<()> {
    drop(line);
    Ok(())
}

#[dacapo::orchestrator]
async fn ship_all(orders: Vec<Vec<String>>) -> dacapo::Result<()> {
    #[sequential]
    for order in orders {
        ship("box".to_owned()).await?;
        for line in order {
            ship(line).await?;
        }
    }
    Ok(())
}

fn main() {}
