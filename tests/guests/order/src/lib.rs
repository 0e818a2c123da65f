//! What an order comes to. The same action as `benches/order.js`, to the letter of what it returns: what source code takes
//! besides is measured with the two.

use fusebox_sdk::{Failure, Outcome, action};
use serde::{Deserialize, Serialize};
use std::fmt;

const NO_LINES: u32 = 3;
const NO_RATE: u32 = 4;

#[derive(Deserialize)]
struct Order {
    id: String,
    country: String,
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    sku: String,
    quantity: u64,
    cents: u64,
}

#[derive(Serialize)]
struct Total {
    id: String,
    net: u64,
    tax: u64,
    total: u64,
    text: String,
}

#[action]
fn total(payload: Order) -> Result<Outcome<Total>, Failure> {
    let Order { id, country, lines } = payload;
    if lines.is_empty() {
        return Err(Failure::reject(format!("order {id} has no lines")).with_code(NO_LINES));
    }
    let rate = match country.as_str() {
        "CH" => 81,
        "DE" => 190,
        "FR" => 200,
        other => return Err(Failure::reject(format!("no rate for {other}")).with_code(NO_RATE)),
    };
    let (mut net, mut texts, mut warnings) = (0, Vec::new(), Vec::new());
    for Line { sku, quantity, cents } in lines {
        if quantity == 0 {
            warnings.push(format!("nothing was ordered of {sku}"));
            continue;
        }
        net += quantity * cents;
        texts.push(format!("{quantity} x {sku}: {}", Amount(quantity * cents)));
    }
    let tax = (net * rate + 500) / 1000;
    let total = net + tax;
    texts.push(format!("tax: {}, in all: {}", Amount(tax), Amount(total)));
    let outcome = Outcome::new(Total { id, net, tax, total, text: texts.join("\n") });
    Ok(outcome.warnings(warnings))
}

/// In units of a hundred.
struct Amount(u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}
