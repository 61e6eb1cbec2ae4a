//! What a request to a language model cost, by the prices of the settings.

use hoptrail_proto::model::{AnyValue, Span};
use hoptrail_query::conventions::{self, Keys};
use serde::{Deserialize, Serialize};

/// Prices are those of so many tokens.
const TOKENS: f64 = 1e6;

/// The price of a model, for a million tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPrice {
    /// The beginning of the model's name; the longest that fits counts.
    pub model: String,
    /// Of tokens read.
    pub input: f64,
    /// Of tokens written.
    pub output: f64,
    /// Of tokens read from the provider's cache; without it they cost what others do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<f64>,
}

// Checked to be finite, so each equals itself.
impl Eq for ModelPrice {}

/// Says which price cannot be one, and why.
pub fn check_prices(prices: &[ModelPrice]) -> Result<(), String> {
    for price in prices {
        if price.model.trim().is_empty() {
            return Err("a price has no model: it is the beginning of the name of a model".to_owned());
        }
        let numbers = [price.input, price.output, price.cached.unwrap_or_default()];
        if numbers.iter().any(|number| !number.is_finite() || *number < 0.0) {
            return Err(format!("the prices of {:?} are {numbers:?}: they are numbers from 0 on", price.model));
        }
    }
    Ok(())
}

/// What the tokens of a span cost; `None` without a price for its model, or without tokens.
pub(crate) fn cost(span: &Span, prices: &[ModelPrice]) -> Option<f64> {
    let tokens = |keys: Keys| match conventions::value(span, keys) {
        Some(AnyValue::Int(tokens)) => Some((*tokens).max(0) as f64),
        _ => None,
    };
    let name = conventions::value(span, conventions::AI_MODEL)?.as_str()?;
    let fitting = prices.iter().filter(|price| name.starts_with(&price.model));
    let price = fitting.max_by_key(|price| price.model.len())?;
    let (read, written) = (tokens(conventions::AI_INPUT_TOKENS), tokens(conventions::AI_OUTPUT_TOKENS));
    if read.is_none() && written.is_none() {
        return None;
    }
    let read = read.unwrap_or_default();
    let cached = tokens(conventions::AI_CACHED_TOKENS).unwrap_or_default().min(read);
    let of_cache = price.cached.unwrap_or(price.input);
    Some(((read - cached) * price.input + cached * of_cache + written.unwrap_or_default() * price.output) / TOKENS)
}

/// An amount with as many digits as it needs.
pub(crate) fn cost_text(cost: f64) -> String {
    match cost {
        0.0 => "0".to_owned(),
        0.0..0.01 => format!("{cost:.6}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        0.01..1.0 => format!("{cost:.4}"),
        _ => format!("{cost:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::Attribute;

    use super::*;

    fn price(model: &str, input: f64, output: f64, cached: Option<f64>) -> ModelPrice {
        ModelPrice { model: model.to_owned(), input, output, cached }
    }

    #[test]
    fn the_longest_name_that_fits_has_the_price() {
        let prices = [price("gpt", 10.0, 10.0, None), price("gpt-mini", 1.0, 4.0, Some(0.5))];
        let span = |model: &str, cached: i64| Span {
            attributes: vec![
                Attribute::new("gen_ai.request.model", model),
                Attribute::new("gen_ai.usage.prompt_tokens", 1_000_000),
                Attribute::new("gen_ai.usage.output_tokens", 500_000),
                Attribute::new("gen_ai.usage.cache_read.input_tokens", cached),
            ],
            ..Span::default()
        };
        assert_eq!(cost(&span("gpt-mini-2025", 0), &prices), Some(3.0));
        assert_eq!(cost(&span("gpt-mini-2025", 400_000), &prices), Some(2.8));
        assert_eq!(cost(&span("gpt-large", 0), &prices), Some(15.0));
        assert_eq!(cost(&span("other", 0), &prices), None);
        assert_eq!(cost(&Span::default(), &prices), None);
        assert_eq!([0.0, 0.000_012, 0.5, 12.0].map(cost_text), ["0", "0.000012", "0.5000", "12.00"]);
    }

    #[test]
    fn prices_are_numbers_from_zero_on() {
        assert!(check_prices(&[price("gpt", 1.0, 2.0, None)]).is_ok());
        assert!(check_prices(&[price("gpt", -1.0, 2.0, None)]).is_err_and(|text| text.contains("gpt")));
        assert!(check_prices(&[price("gpt", f64::NAN, 2.0, None)]).is_err());
        assert!(check_prices(&[price(" ", 1.0, 2.0, None)]).is_err_and(|text| text.contains("no model")));
    }
}
