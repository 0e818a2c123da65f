//! Amounts as Stripe sends them, in the currency's smallest unit, as people read them.

/// Currencies without a smaller unit. Stripe counts ISK and UGX in hundredths all the same, for compatibility.
const ZERO_DECIMAL: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];
/// Currencies divided into thousandths.
const THREE_DECIMAL: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// `23450`, `eur` → `234.50 EUR`.
pub(crate) fn format(amount: i64, currency: &str) -> String {
    let currency = currency.to_uppercase();
    let decimals = match currency.as_str() {
        code if ZERO_DECIMAL.contains(&code) => 0,
        code if THREE_DECIMAL.contains(&code) => 3,
        _ => 2,
    };
    let sign = if amount < 0 { "-" } else { "" };
    let unit = 10_u64.pow(decimals);
    let (whole, part) = (amount.unsigned_abs() / unit, amount.unsigned_abs() % unit);
    let whole = grouped(whole);
    match decimals {
        0 => format!("{sign}{whole} {currency}"),
        _ => format!("{sign}{whole}.{part:0width$} {currency}", width = decimals as usize),
    }
}

/// `1234567` → `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn amounts_are_in_the_smallest_unit_of_their_currency() {
        let cases = [
            (23_450, "eur", "234.50 EUR"),
            (5, "usd", "0.05 USD"),
            (0, "usd", "0.00 USD"),
            (-294, "eur", "-2.94 EUR"),
            (123_456_789, "usd", "1,234,567.89 USD"),
            (100_000, "usd", "1,000.00 USD"),
            (4980, "jpy", "4,980 JPY"),
            (-500, "JPY", "-500 JPY"),
            (1_234_567, "kwd", "1,234.567 KWD"),
            (5_000, "ugx", "50.00 UGX"),
            (i64::MIN, "krw", "-9,223,372,036,854,775,808 KRW"),
        ];
        for (amount, currency, expected) in cases {
            assert_eq!(format(amount, currency), expected);
        }
    }
}
