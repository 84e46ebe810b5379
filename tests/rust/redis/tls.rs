//! `rediss://`, through a proxy that speaks TLS: not every server is built with it.
//!
//! The certificates in `certificates/` are for this test only and protect nothing; they hold until 2126.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use stargazer_core::config::{BusConfig, ClientCertificate};
use stargazer_core::redis::ConnectOptions;
use stargazer_core::transport::Transport;
use stargazer_core::{Bus, ErrorKind};
use stargazer_tests::{Options, Server};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{connect, entry, publish, run};

const AUTHORITY: &[u8] = include_bytes!("certificates/authority.pem");

/// One certificate for both ends: it names no use.
const CERTIFICATE: &[u8] = include_bytes!("certificates/server.pem");
const KEY: &[u8] = include_bytes!("certificates/server.key");

/// The port of a proxy in front of the server, for as long as the test runs; perhaps only for clients that it knows.
async fn proxy(server: &Server, known_clients: bool) -> u16 {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients: Arc<dyn ClientCertVerifier> = if known_clients {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap()
    } else {
        WebPkiClientVerifier::no_client_auth()
    };
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, behind) = (TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), server.port());
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust us hangs up, which is what the test is about.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    port
}

#[test]
fn a_certificate_is_checked_and_then_everything_goes_as_without() {
    run(async {
        let options = Options { password: Some("secret".into()), ..Options::default() };
        let server = Server::start_with(options).unwrap();
        let port = proxy(&server, false).await;
        let once = || ConnectOptions::default().with_wait(Duration::ZERO);
        let url = format!("rediss://:secret@localhost:{port}");
        let error = connect(&url, once()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(!format!("{error:?}").contains("secret"));
        let known = || once().with_root_certificates(AUTHORITY.to_vec());
        let transport = connect(&url, known()).await.unwrap();
        let id = publish(&transport, entry("x", "")).await.unwrap();
        assert_eq!(transport.stream_info(&"s".into()).await.unwrap().last_id, id);
        let error = connect(&format!("rediss://:wrong@localhost:{port}"), known()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        let error = connect(&url, once().with_root_certificates(b"nonsense".to_vec())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    });
}

#[test]
fn a_server_that_knows_its_clients_takes_one_with_a_certificate() {
    run(async {
        let server = Server::start_with(Options::default()).unwrap();
        let url = format!("rediss://localhost:{}", proxy(&server, true).await);
        let mut config = BusConfig::default();
        config.connect_timeout = Duration::ZERO;
        config.root_certificates = Some(AUTHORITY.to_vec());
        let stranger = Bus::connect(&url).config(config.clone()).await.unwrap_err();
        assert!(matches!(stranger.kind(), ErrorKind::Invalid | ErrorKind::Unavailable), "{stranger:?}");
        config.client_certificate = Some(ClientCertificate { certificate: CERTIFICATE.to_vec(), key: KEY.to_vec() });
        assert!(!format!("{config:?}").contains("key:"), "a key is never shown");
        let bus = Bus::connect(&url).config(config).await.unwrap();
        bus.ping().await.unwrap();
        bus.close().await.unwrap();
    });
}
