//! A tool: a definition and what runs it.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Place, ToolContext, ToolDefinition};
use crate::envelope::{Map, Value, codec};
use crate::error::Result;
use crate::rpc::{Failure, Handler, Reply, Request};

/// A tool that this process can run. Cheap to clone.
///
/// ```
/// use schemars::JsonSchema;
/// use serde::Deserialize;
/// use stargazer_core::rpc::Failure;
/// use stargazer_core::tools::Tool;
///
/// /// Weather of a city.
/// #[derive(Deserialize, JsonSchema)]
/// struct City {
///     city: String,
/// }
///
/// let weather = Tool::from_fn("weather", async |City { city }| Ok::<_, Failure>(format!("{city}: 21 °C")));
/// assert_eq!(weather.definition().description, "Weather of a city.");
/// weather.validate()?;
/// # Ok::<(), stargazer_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Tool {
    definition: ToolDefinition,
    handler: Arc<dyn Handler>,
}

impl Tool {
    /// A tool of that definition, run by that handler. The definition is checked when the tool is served.
    pub fn new(definition: ToolDefinition, handler: Arc<dyn Handler>) -> Self {
        Self { definition, handler }
    }

    /// [`Tool::new`] from a definition as JSON text, which is checked. `Invalid` naming the field.
    pub fn from_json(definition: &str, handler: Arc<dyn Handler>) -> Result<Self> {
        Ok(Self::new(ToolDefinition::from_json(definition)?, handler))
    }

    /// From a function of its arguments. Their schema comes from the type, the description from the type's text.
    pub fn from_fn<I, O, E, F, Fut>(name: impl Into<String>, run: F) -> Self
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + Send + 'static,
        E: Into<Failure> + Send + 'static,
        F: Fn(I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<O, E>> + Send + 'static,
    {
        Self::from_fn_with(name, move |input, _| run(input))
    }

    /// [`Tool::from_fn`] for a function that also takes the context of its call.
    pub fn from_fn_with<I, O, E, F, Fut>(name: impl Into<String>, run: F) -> Self
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + Send + 'static,
        E: Into<Failure> + Send + 'static,
        F: Fn(I, ToolContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<O, E>> + Send + 'static,
    {
        let (description, parameters) = described::<I>();
        let definition = ToolDefinition::new(name).with_description(description).with_parameters(parameters);
        Self::new(definition, Arc::new(Typed { run, types: PhantomData::<fn(I) -> (O, E)> }))
    }

    /// Sets the description.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.definition.description = text.into();
        self
    }

    /// Sets the JSON Schema of the arguments.
    pub fn parameters(mut self, schema: Map) -> Self {
        self.definition.parameters = schema;
        self
    }

    /// Sets what its caller must be allowed.
    pub fn permissions<I: IntoIterator<Item: Into<String>>>(mut self, permissions: I) -> Self {
        self.definition.permissions = permissions.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long a call may run.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.definition.timeout = Some(limit);
        self
    }

    /// Sets how many calls an instance runs at the same time.
    pub fn concurrency(mut self, n: usize) -> Self {
        self.definition.concurrency = Some(n);
        self
    }

    /// Sets where it runs.
    pub fn place(mut self, place: Place) -> Self {
        self.definition.place = place;
        self
    }

    /// Says that it must not go on in the background of a turn.
    pub fn no_background(mut self, on: bool) -> Self {
        self.definition.no_background = on;
        self
    }

    /// Says that it may be called again in one turn with the same arguments.
    pub fn allow_repeat(mut self, on: bool) -> Self {
        self.definition.allow_repeat = on;
        self
    }

    /// Its definition.
    pub fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    /// What runs it, without any check.
    pub fn handler(&self) -> &Arc<dyn Handler> {
        &self.handler
    }

    /// Checks the definition. `Invalid` naming the field.
    pub fn validate(&self) -> Result<()> {
        self.definition.validate()
    }
}

impl std::fmt::Debug for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tool").field("definition", &self.definition).finish_non_exhaustive()
    }
}

/// Description and schema of a type. What cannot be a schema of arguments is told when the tool is checked.
fn described<I: JsonSchema>() -> (String, Map) {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None);
    let schema = settings.into_generator().into_root_schema_for::<I>();
    let Ok(Value::Map(mut parameters)) = codec::to_value(&schema) else { return (String::new(), Map::new()) };
    // Names of Rust say nothing to a model, and would make the hash another one than that of the same tool elsewhere.
    parameters.remove("title");
    let description = match parameters.remove("description") {
        Some(Value::Text(text)) => text,
        _ => String::new(),
    };
    (description, parameters)
}

struct Typed<F, T> {
    run: F,
    types: PhantomData<T>,
}

#[async_trait]
impl<I, O, E, F, Fut> Handler for Typed<F, fn(I) -> (O, E)>
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    E: Into<Failure> + Send + 'static,
    F: Fn(I, ToolContext) -> Fut + Send + Sync,
    Fut: Future<Output = std::result::Result<O, E>> + Send + 'static,
{
    async fn call(&self, request: Request) -> std::result::Result<Reply, Failure> {
        let input = request.decode::<I>()?;
        let context = ToolContext::new(request);
        match (self.run)(input, context.clone()).await {
            Ok(result) => Ok(context.reply(codec::to_value(&result)?)),
            Err(error) => {
                let failure: Failure = error.into();
                let mut writeback = context.writeback();
                super::merge_writeback(&mut writeback, failure.writeback.clone());
                Err(failure.with_writeback(writeback))
            }
        }
    }
}
