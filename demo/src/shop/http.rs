//! HTTP between services, to partners, and into the ERP, with the attributes of the HTTP semantic conventions.

use hoptrail_proto::model::{Attribute, SpanKind};

use super::cluster::{Library, Platform, Service};
use super::dice::{MS, US};
use super::story::{Fault, Outcome, Story};

/// A request between two services.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    /// Template of the path: `/products/{id}`.
    pub(super) route: &'static str,
    /// The path with its values.
    pub(super) path: String,
    /// What follows the `?`; may be empty.
    pub(super) query: String,
}

impl Request {
    pub(super) fn new(method: &'static str, route: &'static str, path: impl Into<String>) -> Self {
        Self { method, route, path: path.into(), query: String::new() }
    }

    /// A request whose path is its template.
    pub(super) fn plain(method: &'static str, route: &'static str) -> Self {
        Self::new(method, route, route)
    }

    pub(super) fn query(self, query: String) -> Self {
        Self { query, ..self }
    }
}

/// A partner that reports no spans.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partner {
    pub(super) host: &'static str,
    /// Usual time of an answer, in nanoseconds.
    pub(super) median: u64,
    pub(super) spread: f64,
}

impl Story<'_> {
    /// Calls `to` from the pod at work: a client span here, a server span there, `inside` between them.
    pub(super) fn http<T>(
        &mut self,
        to: Service,
        request: &Request,
        inside: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let Some(here) = self.here().cloned() else { return self.serve_http(to, request, inside) };
        let name = client_name(here.service.platform(), request);
        self.span(&here, Library::Client, SpanKind::Client, name, |s| {
            s.attr("http.request.method", request.method);
            s.attr("url.full", format!("http://{}.shop.svc:{}{}", to.name(), to.port(), target(request)));
            s.attr("server.address", format!("{}.shop.svc", to.name()));
            s.attr("server.port", i64::from(to.port()));
            s.attr("network.protocol.version", "1.1");
            s.work(180 * US);
            let answer = s.serve_http(to, request, inside);
            s.work(150 * US);
            s.client_status(&answer);
            answer
        })
    }

    /// A server span of one of `to`'s pods around `inside`.
    pub(super) fn serve_http<T>(
        &mut self,
        to: Service,
        request: &Request,
        inside: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let pod = self.cluster.pod(to, self.dice);
        let peer = self.here().map_or_else(|| self.person.ip.clone(), |here| here.ip.clone());
        let name = format!("{} {}", request.method, request.route);
        self.span(&pod, Library::Server, SpanKind::Server, name, |s| {
            s.attr("http.request.method", request.method);
            s.attr("http.route", request.route);
            s.attr("url.scheme", "http");
            s.attr("url.path", request.path.clone());
            if !request.query.is_empty() {
                s.attr("url.query", request.query.clone());
            }
            s.attr("server.address", format!("{}.shop.svc", to.name()));
            s.attr("server.port", i64::from(to.port()));
            s.attr("network.peer.address", peer);
            s.attr("client.address", s.person.ip.clone());
            s.attr("user_agent.original", s.person.agent.clone());
            s.attr("network.protocol.version", "1.1");
            s.runtime_attributes(to.platform());
            s.work(250 * US);
            let answer = inside(s);
            s.work(120 * US);
            s.server_status(to.platform(), &answer);
            answer
        })
    }

    /// What some platforms' agents add to every span of a request.
    pub(super) fn runtime_attributes(&mut self, platform: Platform) {
        if platform == Platform::Java {
            let thread = self.dice.between(1, 48) as i64;
            self.attr("thread.id", thread + 30);
            self.attr("thread.name", format!("http-nio-8080-exec-{thread}"));
        }
    }

    fn server_status<T>(&mut self, platform: Platform, answer: &Outcome<T>) {
        match answer {
            Ok(_) => self.attr("http.response.status_code", 200_i64),
            Err(fault) => {
                self.attr("http.response.status_code", fault.http);
                if fault.is_servers() {
                    self.attr("error.type", fault.http.to_string());
                    self.exception(platform, fault);
                    self.failed(fault.message.clone());
                }
            }
        }
        let size = self.dice.log_normal(3_200, 1.1) as i64;
        self.attr("http.response.body.size", size);
    }

    fn client_status<T>(&mut self, answer: &Outcome<T>) {
        let Err(fault) = answer else { return self.attr("http.response.status_code", 200_i64) };
        self.attr("http.response.status_code", fault.http);
        self.attr("error.type", fault.http.to_string());
        self.failed("");
    }

    /// Records the exception that `fault` is, with a stack trace in the platform's form.
    pub(super) fn exception(&mut self, platform: Platform, fault: &Fault) {
        let stack = stack_trace(platform, fault);
        self.event(
            "exception",
            vec![
                Attribute::new("exception.type", fault.class),
                Attribute::new("exception.message", fault.message.clone()),
                Attribute::new("exception.stacktrace", stack),
            ],
        );
    }

    /// Calls a partner outside the cluster, which reports nothing; gives up after `timeout`.
    pub(super) fn partner(&mut self, to: Partner, request: &Request, timeout: u64, fault: Option<Fault>) -> Outcome {
        let Some(here) = self.here().cloned() else { return Ok(()) };
        let name = client_name(here.service.platform(), request);
        self.span(&here, Library::Client, SpanKind::Client, name, |s| {
            s.attr("http.request.method", request.method);
            s.attr("url.full", format!("https://{}{}", to.host, target(request)));
            s.attr("server.address", to.host);
            s.attr("server.port", 443_i64);
            s.attr("network.protocol.version", "2");
            let took = s.dice.log_normal(to.median, to.spread);
            s.wait(took.min(timeout));
            let late = took > timeout;
            let fault = fault.or_else(|| late.then(|| timed_out(to.host, timeout)));
            let Some(fault) = fault else {
                s.attr("http.response.status_code", 200_i64);
                return Ok(());
            };
            if !late {
                s.attr("http.response.status_code", fault.http);
            }
            s.attr("error.type", if late { fault.class.to_owned() } else { fault.http.to_string() });
            s.failed(fault.message.clone());
            Err(fault)
        })
    }

    /// Calls the ERP: SOAP over HTTP into a system of the nineties, which knows nothing of traces.
    pub(super) fn erp(&mut self, action: &'static str, timeout: u64, slowness: u64) -> Outcome {
        let erp = Partner { host: "erp.corp.example", median: 85 * MS * slowness, spread: 0.7 };
        self.internal(format!("ErpGateway.{action}"), |s| {
            s.attr("code.function.name", format!("com.shop.inventory.erp.ErpGateway.{action}"));
            s.attr("rpc.system", "soap");
            s.attr("rpc.service", "urn:corp:erp:stock:v2");
            s.attr("rpc.method", action);
            s.attr("peer.service", "erp");
            s.work(900 * US);
            s.partner(erp, &Request::plain("POST", "/soap/StockService"), timeout, None)?;
            s.work(2 * MS);
            Ok(())
        })
    }
}

fn target(request: &Request) -> String {
    if request.query.is_empty() { request.path.clone() } else { format!("{}?{}", request.path, request.query) }
}

/// Most libraries name a client span by its method only, as the conventions ask when no template is known.
fn client_name(platform: Platform, request: &Request) -> String {
    match platform {
        Platform::Browser => format!("HTTP {}", request.method),
        Platform::Go => format!("HTTP {}", request.method),
        _ => request.method.to_owned(),
    }
}

fn timed_out(host: &str, timeout: u64) -> Fault {
    let message = format!("no answer from {host} within {} ms", timeout / MS);
    Fault::new("java.net.http.HttpTimeoutException", message).codes(504, 4)
}

/// A few frames in the form that the platform prints.
fn stack_trace(platform: Platform, fault: &Fault) -> String {
    let Fault { class, message, .. } = fault;
    match platform {
        Platform::Java => format!(
            "{class}: {message}\n\tat com.shop.core.RetryingClient.execute(RetryingClient.java:118)\n\tat com.shop.core.Handler.lambda$handle$0(Handler.java:64)\n\tat org.springframework.web.method.support.InvocableHandlerMethod.doInvoke(InvocableHandlerMethod.java:258)\n\tat org.apache.catalina.core.ApplicationFilterChain.doFilter(ApplicationFilterChain.java:138)\n\tat java.base/java.lang.VirtualThread.run(VirtualThread.java:309)\n"
        ),
        Platform::Python => format!(
            "Traceback (most recent call last):\n  File \"/app/shop/service.py\", line 87, in handle\n    result = await self.model.rank(items, user)\n  File \"/app/shop/model.py\", line 211, in rank\n    raise {class}(reason)\n{class}: {message}\n"
        ),
        Platform::Go => format!(
            "goroutine 8127 [running]:\nshop/internal/server.(*Server).handle(0xc0004a2000)\n\t/src/internal/server/server.go:203 +0x1f4\nshop/internal/server.(*Server).Serve.func1()\n\t/src/internal/server/server.go:118 +0x8c\n{class}: {message}\n"
        ),
        Platform::DotNet => format!(
            "{class}: {message}\n   at Shop.Cart.Store.RedisCartStore.LoadAsync(String userId) in /src/Store/RedisCartStore.cs:line 74\n   at Shop.Cart.CartService.GetCart(GetCartRequest request, ServerCallContext context) in /src/CartService.cs:line 41\n"
        ),
        _ => format!(
            "{class}: {message}\n    at handle (/app/dist/server.js:412:19)\n    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)\n"
        ),
    }
}
