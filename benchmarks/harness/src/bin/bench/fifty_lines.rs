use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    id: u64,
    customer: String,
    lines: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Receipt {
    order: u64,
    total: u64,
    missing: Vec<String>,
    parcels: Vec<String>,
}

#[activity]
async fn reserve(line: String) -> dacapo::Result<u64> {
    Ok(line.len() as u64)
}

#[activity]
async fn charge(customer: String, amount: u64) -> dacapo::Result<String> {
    Ok(format!("{customer}-{amount}"))
}

#[activity]
async fn refund(charge: String) -> dacapo::Result<()> {
    drop(charge);
    Ok(())
}

#[activity]
async fn ship(order: u64, stock: u64) -> dacapo::Result<String> {
    Ok(format!("{order}-{stock}"))
}

#[activity]
async fn notify(customer: String, text: String) -> dacapo::Result<()> {
    drop((customer, text));
    Ok(())
}

fn main() {}

// From here on once for each orchestrator: fifty lines.
#[orchestrator]
async fn process_order(order: Order) -> dacapo::Result<Receipt> {
    let started = dacapo::now();

    // What is not in stock is left out; an order of nothing ends here.
    let results = dacapo::fan_out(order.lines.clone(), reserve).limit(10).await;
    let mut reserved = Vec::new();
    let mut missing = Vec::new();
    for (line, result) in order.lines.iter().zip(results) {
        match result {
            Ok(stock) => reserved.push(stock),
            Err(_) => missing.push(line.clone()),
        }
    }
    if reserved.is_empty() {
        notify(order.customer.clone(), "nothing is in stock".to_owned()).await?;
        return Ok(Receipt { order: order.id, total: 0, missing, parcels: Vec::new() });
    }

    if !missing.is_empty() {
        notify(order.customer.clone(), format!("{} lines are missing", missing.len())).await?;
    }
    // The customer may think it over for an hour.
    let total: u64 = reserved.iter().map(|stock| stock * 100).sum();
    let approved = dacapo::Event::<bool>::new("approved");
    let is_approved = match dacapo::timeout(std::time::Duration::from_secs(3_600), approved.wait()).await {
        Ok(is_approved) => is_approved,
        Err(_) => total < 1_000,
    };
    if !is_approved {
        return Err(dacapo::Error::msg(format!("order {} was not approved", order.id)));
    }
    let charged = charge(order.customer.clone(), total).await?;

    // All parcels leave together, or the money goes back.
    let parcels = reserved.into_iter().map(|stock| (order.id, stock)).collect::<Vec<_>>();
    let parcels = match dacapo::try_fan_out(parcels, |(order, stock)| ship(order, stock)).await {
        Ok(parcels) => parcels,
        Err(error) => {
            refund(charged).await?;
            return Err(error.into());
        }
    };

    dacapo::set_custom_status(&parcels.len());
    let waited = dacapo::now().duration_since(started).unwrap_or_default();
    let text = format!("{} parcels are on their way after {} s", parcels.len(), waited.as_secs());
    notify(order.customer.clone(), text).await?;
    Ok(Receipt { order: order.id, total, missing, parcels })
}
