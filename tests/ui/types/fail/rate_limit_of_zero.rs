use dacapo::PerMinute;

#[dacapo::activity(rate_limit = PerMinute(0))]
async fn ping() {}

#[dacapo::activity(rate_limit = dacapo::RateLimit::PerHour(0))]
async fn pong() {}

fn main() {}
