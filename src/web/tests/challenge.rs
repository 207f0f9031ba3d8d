use super::*;
use crate::net::acme::Board;

#[test]
fn an_authority_is_answered_in_the_clear_while_it_is_awaited_and_browsers_hear_how_long() {
    let board = Arc::new(Board::default());
    let hsts = Arc::new(crate::web::Hsts::default());
    let (shared, raised) = (board.clone(), hsts.clone());
    let tls = move |settings| WebSettings {
        https_listens: true,
        board: shared,
        hsts: raised,
        ..settings
    };
    Web::story_with(Till::default(), tls, |web| async move {
        let ask = async |tls: bool, method: &str, uri: &str| {
            let mut request = Request::builder()
                .method(method)
                .uri(uri)
                .header(header::HOST, "shop.example")
                .body(Body::empty())
                .unwrap();
            let address = "203.0.113.9:1".parse().unwrap();
            request
                .extensions_mut()
                .insert(Peer::Remote { address, tls });
            web.send(request).await
        };
        let path = "/.well-known/acme-challenge/token-1";
        assert_eq!(ask(false, "GET", path).await.status, 404);
        let posted = board.post_answer("token-1", "token-1.thumb");
        for tls in [false, true] {
            let answer = ask(tls, "GET", path).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, "text/plain")
            );
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(answer.text(), "token-1.thumb");
        }
        for other in ["token-2", "TOKEN-1", "token-1%2f", "token-1.", "%2e%2e"] {
            let path = format!("/.well-known/acme-challenge/{other}");
            assert_eq!(ask(false, "GET", &path).await.status, 404, "{other}");
        }
        assert_ne!(ask(false, "POST", path).await.status, 200);
        drop(posted);
        assert_eq!(ask(false, "GET", path).await.status, 404);

        let said = ask(true, "GET", "/").await;
        assert_eq!(said.header("strict-transport-security"), "max-age=300");
        hsts.set(86_400);
        let said = ask(true, "GET", "/").await;
        assert_eq!(said.header("strict-transport-security"), "max-age=86400");
        let bare = ask(false, "GET", "/").await;
        assert_eq!(bare.header("strict-transport-security"), "");
    });
}
