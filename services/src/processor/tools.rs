//! The tools that run inside the process.

use std::fmt;

use stargazer_scripted_model::ToolCall;

/// Why a tool gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolError(String);

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ToolError {}

/// The tools by name. One of them so far: `weather`.
#[derive(Debug, Default)]
pub struct Tools {}

impl Tools {
    /// Runs a tool. Fails for a tool that does not exist or an argument that is missing.
    pub fn run(&self, call: &ToolCall) -> Result<String, ToolError> {
        match call.name.as_str() {
            "weather" => {
                let city = call.arguments.iter().find(|(name, _)| name == "city").map(|(_, city)| city);
                city.map(|city| weather(city)).ok_or_else(|| ToolError("weather needs a city".into()))
            }
            other => Err(ToolError(format!("there is no tool {other:?}"))),
        }
    }
}

/// The weather of a city, made up from its name: the same city always has the same.
fn weather(city: &str) -> String {
    let sum: u32 = city.chars().map(u32::from).sum();
    format!("{city}: {} °C", sum % 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &[(&str, &str)]) -> ToolCall {
        let arguments = arguments.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        ToolCall { name: name.into(), arguments }
    }

    #[test]
    fn the_weather_of_a_city_stays_the_same() {
        let berlin = Tools::default().run(&call("weather", &[("city", "Berlin")])).unwrap();
        assert!(berlin.starts_with("Berlin: ") && berlin.ends_with(" °C"), "{berlin}");
        assert_eq!(Tools::default().run(&call("weather", &[("city", "Berlin")])).unwrap(), berlin);
    }

    #[test]
    fn a_wrong_call_is_an_error_with_a_text() {
        assert!(Tools::default().run(&call("weather", &[])).unwrap_err().to_string().contains("city"));
        assert!(Tools::default().run(&call("hammer", &[])).unwrap_err().to_string().contains("hammer"));
    }
}
