//! What this process says of its work: warnings to stderr, and the spans of a serving host by OTLP to whoever collects them.
use crate::config;
use caravan_model::{Code, Problem};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::runtime::Tokio;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use std::time::Duration;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The variable that names a collector; it goes before the configuration.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// How long the last spans have to leave.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends spans until it is ended.
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Sends warnings of all rooms to stderr. `CARAVAN_LOG=debug` (error, warn, info, debug, trace) shows more. A host that
    /// serves sends its spans to the collector that the environment or the configuration names.
    ///
    /// # Errors
    /// CV004 where the collector's address is none.
    pub fn start(quiet: bool, serves: bool) -> Result<Telemetry, Problem> {
        let level = std::env::var("CARAVAN_LOG").ok().and_then(|text| text.parse::<LevelFilter>().ok());
        let level = level.unwrap_or(if quiet { LevelFilter::ERROR } else { LevelFilter::WARN });
        let words = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .without_time()
            .with_target(false)
            .with_filter(level);
        let named = std::env::var(ENDPOINT).ok().filter(|text| !text.trim().is_empty());
        let endpoint = named.or_else(|| config::current().otlp.clone()).filter(|_| serves);
        let provider = endpoint.map(|endpoint| provider(endpoint.trim())).transpose()?;
        // Our own spans alone: the libraries' would say where each byte went.
        let ours = Targets::new().with_target("caravan", tracing::Level::INFO);
        let spans = provider
            .as_ref()
            .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("caravan")).with_filter(ours));
        // A second start in one process, as in tests, keeps the first one's.
        let _ = tracing_subscriber::registry().with(words).with(spans).try_init();
        Ok(Telemetry(provider))
    }

    /// Sends what is left.
    pub async fn end(self) {
        let Some(provider) = self.0 else { return };
        let shut = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(PATIENCE));
        if let Ok(Err(error)) = shut.await {
            tracing::debug!(%error, "the last spans did not leave");
        }
    }
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider, Problem> {
    let wrong = |words: String| {
        Problem::new(Code::BadValue, format!("the collector of spans cannot be used: {words}"))
            .cure(format!("write its address as http://127.0.0.1:4318, into {ENDPOINT} or `otlp` of the configuration"))
    };
    if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        return Err(wrong("this is no address of one".to_owned()));
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .map_err(|error| wrong(error.to_string()))?;
    let resource = Resource::builder().with_service_name("caravan").build();
    let processor = BatchSpanProcessor::builder(exporter, Tokio).build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_span_processor(processor).build())
}
