//! A saga: book what a trip needs, and cancel what was booked in reverse order when something fails.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Booking {
    Flight(String),
    Hotel(String),
    Car(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trip {
    traveller: String,
    legs: Vec<Leg>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Leg {
    Fly,
    Stay,
    Drive,
}

#[activity]
async fn book(traveller: String, leg: Leg) -> dacapo::Result<Booking> {
    Ok(match leg {
        Leg::Fly => Booking::Flight(traveller),
        Leg::Stay => Booking::Hotel(traveller),
        Leg::Drive => Booking::Car(traveller),
    })
}

#[activity]
async fn cancel(booking: Booking) -> dacapo::Result<()> {
    drop(booking);
    Ok(())
}

#[orchestrator]
pub async fn book_trip(trip: Trip) -> dacapo::Result<Vec<Booking>> {
    let mut done = Vec::new();
    for leg in trip.legs {
        match book(trip.traveller.clone(), leg).await {
            Ok(booking) => done.push(booking),
            Err(error) => {
                // The last booking must go first: a car hangs on its flight.
                #[sequential]
                for booking in done.into_iter().rev() {
                    cancel(booking).await?;
                }
                return Err(error);
            }
        }
    }
    Ok(done)
}

fn main() {}
