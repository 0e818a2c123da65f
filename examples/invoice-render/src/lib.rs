//! Turns a paid Stripe invoice (the `invoice.paid` event) into a receipt, as text and as HTML.
//!
//! Everything in the event that a customer could have written is escaped. Params: `footer`, a line below.

mod money;

use std::fmt::Write as _;

use fusebox_sdk::{Failure, Outcome, Timestamp, action, log};
use serde::{Deserialize, Serialize};

/// The code of an event that is not about a paid invoice.
const CODE_NOT_PAID: u32 = 10;
/// The code of an invoice whose lines are in another currency than itself.
const CODE_MIXED_CURRENCIES: u32 = 11;

#[derive(Deserialize)]
pub struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Invoice,
}

#[derive(Deserialize)]
struct Invoice {
    id: String,
    /// Missing until the invoice is finalised; a paid one has it.
    number: Option<String>,
    account_name: Option<String>,
    customer_name: Option<String>,
    customer_email: Option<String>,
    currency: String,
    amount_paid: i64,
    subtotal: i64,
    total: i64,
    lines: Lines,
    status_transitions: Transitions,
}

#[derive(Deserialize)]
struct Lines {
    data: Vec<Line>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Line {
    description: Option<String>,
    amount: i64,
    currency: String,
}

#[derive(Deserialize)]
struct Transitions {
    /// Seconds since the epoch.
    paid_at: Option<u64>,
}

#[derive(Deserialize)]
pub struct Params {
    footer: Option<String>,
}

#[derive(Serialize)]
pub struct Receipt {
    invoice: String,
    to: Option<String>,
    subject: String,
    paid: String,
    text: String,
    html: String,
}

#[action]
fn render(payload: Event, params: Params) -> Result<Outcome<Receipt>, Failure> {
    if payload.kind != "invoice.paid" {
        let message = format!("only paid invoices have a receipt, this event is {}", payload.kind);
        return Err(Failure::reject(message).with_code(CODE_NOT_PAID));
    }
    let invoice = payload.data.object;
    if let Some(line) = invoice.lines.data.iter().find(|line| line.currency != invoice.currency) {
        let message = format!("the invoice is in {} but has a line in {}", invoice.currency, line.currency);
        return Err(Failure::reject(message).with_code(CODE_MIXED_CURRENCIES));
    }
    let rows = rows(&invoice);
    let number = invoice.number.as_deref().unwrap_or(&invoice.id);
    let seller = invoice.account_name.as_deref().unwrap_or("us");
    let paid = money::format(invoice.amount_paid, &invoice.currency);
    let heading = Heading {
        title: format!("Receipt for invoice {number} from {seller}"),
        greeting: match &invoice.customer_name {
            Some(name) => format!("Dear {name},"),
            None => "Hello,".to_owned(),
        },
        thanks: match invoice.status_transitions.paid_at {
            Some(seconds) => format!("thank you for your payment of {paid} on {}.", day(seconds)),
            None => format!("thank you for your payment of {paid}."),
        },
    };
    log::info!("rendered a receipt over {paid}"; invoice = invoice.id, lines = invoice.lines.data.len());
    let mut warnings = Vec::new();
    if invoice.customer_email.is_none() {
        warnings.push("the customer has no email address");
    }
    if invoice.lines.has_more {
        warnings.push("the invoice has more lines than the event carries");
    }
    let footer = params.footer.as_deref();
    let receipt = Receipt {
        text: text(&heading, &rows, footer),
        html: html(&heading, &rows, footer),
        invoice: invoice.id,
        to: invoice.customer_email,
        subject: heading.title,
        paid,
    };
    Ok(Outcome::new(receipt).warnings(warnings))
}

struct Heading {
    title: String,
    greeting: String,
    thanks: String,
}

/// What is written in a row, and the amount in it.
type Row = (String, String);

fn rows(invoice: &Invoice) -> Vec<Row> {
    let amount = |amount| money::format(amount, &invoice.currency);
    let lines = invoice.lines.data.iter().map(|line| {
        let description = line.description.clone().unwrap_or_else(|| "Item".to_owned());
        (description, amount(line.amount))
    });
    let mut rows: Vec<Row> = lines.collect();
    if invoice.total != invoice.subtotal {
        rows.push(("Tax and discounts".to_owned(), amount(invoice.total - invoice.subtotal)));
    }
    rows.push(("Total".to_owned(), amount(invoice.total)));
    rows
}

fn day(seconds: u64) -> String {
    let mut moment = Timestamp::from_millis(seconds.saturating_mul(1000)).to_string();
    moment.truncate(moment.find('T').unwrap_or(moment.len()));
    moment
}

fn text(heading: &Heading, rows: &[Row], footer: Option<&str>) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let amount_width = rows.iter().map(|(_, amount)| amount.len()).max().unwrap_or(0);
    let mut text = format!("{}\n\n{}\n{}\n\n", heading.title, heading.greeting, heading.thanks);
    for (name, amount) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:width$}  {amount:>amount_width$}");
    }
    if let Some(footer) = footer {
        let _ = writeln!(text, "\n{footer}");
    }
    text
}

fn html(heading: &Heading, rows: &[Row], footer: Option<&str>) -> String {
    let (title, greeting, thanks) = (escaped(&heading.title), escaped(&heading.greeting), escaped(&heading.thanks));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n<p>{greeting}</p>\n<p>{thanks}</p>\n<table>\n"
    );
    for (name, amount) in rows {
        let _ = writeln!(html, "<tr><td>{}</td><td align=\"right\">{}</td></tr>", escaped(name), escaped(amount));
    }
    html.push_str("</table>\n");
    if let Some(footer) = footer {
        let _ = writeln!(html, "<footer>{}</footer>", escaped(footer));
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use fusebox_sdk::json;
    use fusebox_sdk::serde_json::{Value, from_str};
    use fusebox_sdk::testing::{Report, Sample, run};

    use super::*;

    fn sample() -> Value {
        from_str(include_str!("../sample.json")).expect("the sample")
    }

    fn rendered(event: Value) -> Report {
        run(render_action, Sample::new(event))
    }

    #[test]
    fn the_sample_becomes_a_receipt() {
        let report = run(render_action, Sample::new(sample()).params(json!({"footer": "Harbour & Sons"})));
        assert_eq!(report.state(), "SUCCESS");
        let output = report.output();
        assert_eq!(output["to"], "jenny.rosen@example.com");
        assert_eq!(output["paid"], "234.50 EUR");
        let expected = "\
Receipt for invoice ZQX7T4KD-0003 from Harbour & Sons Boat Rental

Dear Jenny Rosen,
thank you for your payment of 234.50 EUR on 2026-03-02.

2 × Sailing boat <12 m> (at €100.00 / month)  200.00 EUR
Credit for a day of storm                      -2.94 EUR
Tax and discounts                              37.44 EUR
Total                                         234.50 EUR

Harbour & Sons
";
        assert_eq!(output["text"], expected);
    }

    #[test]
    fn nothing_a_customer_wrote_becomes_markup() {
        let mut event = sample();
        event["data"]["object"]["customer_name"] = json!("<script>alert('x')</script> \"&\"");
        let report = rendered(event);
        let html = report.output()["html"].as_str().expect("a text");
        assert!(html.contains("Dear &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &quot;&amp;&quot;,"), "{html}");
        assert!(html.contains("Sailing boat &lt;12 m&gt;"), "{html}");
        assert!(!html.contains("<script"), "{html}");
    }

    #[test]
    fn a_currency_without_cents_has_none() {
        let mut event = sample();
        let invoice = &mut event["data"]["object"];
        invoice["currency"] = json!("jpy");
        invoice["amount_paid"] = json!(4980);
        invoice["subtotal"] = json!(4980);
        invoice["total"] = json!(4980);
        invoice["lines"]["data"] = json!([{"description": "Tea", "amount": 4980, "currency": "jpy"}]);
        let report = rendered(event);
        assert_eq!(report.output()["paid"], "4,980 JPY");
        let text = report.output()["text"].as_str().expect("a text");
        assert!(text.ends_with("\nTea    4,980 JPY\nTotal  4,980 JPY\n"), "{text}");
    }

    #[test]
    fn a_receipt_nobody_can_be_sent_is_a_warning() {
        let mut event = sample();
        event["data"]["object"]["customer_email"] = json!(null);
        event["data"]["object"]["lines"]["has_more"] = json!(true);
        let report = rendered(event);
        assert_eq!(report.state(), "WARNING");
        let expected = ["the customer has no email address", "the invoice has more lines than the event carries"];
        assert_eq!(report.warnings(), expected);
    }

    #[test]
    fn only_a_paid_invoice_in_one_currency_has_a_receipt() {
        let mut event = sample();
        event["data"]["object"]["lines"]["data"][1]["currency"] = json!("usd");
        assert_eq!(rendered(event.clone()).failure().code(), CODE_MIXED_CURRENCIES);
        event["type"] = json!("invoice.voided");
        assert_eq!(rendered(event).failure().code(), CODE_NOT_PAID);
    }

    #[test]
    fn an_amount_that_is_no_whole_number_is_rejected_with_its_place() {
        let mut event = sample();
        event["data"]["object"]["lines"]["data"][0]["amount"] = json!(200.5);
        let report = rendered(event);
        assert_eq!(report.failure().code(), 2);
        let message = report.failure().message();
        assert!(message.starts_with("payload.data.object.lines.data[0].amount: invalid type"), "{message}");
    }
}
