// The page at /docs: Swagger UI on /openapi.json. Where the worker wants a key, it is asked for first, kept in this page's memory, and
// sent with every request that is tried out.

(() => {
  let key = "";
  const headers = () => (key === "" ? {} : { authorization: `Bearer ${key}` });

  async function show() {
    const response = await fetch("/openapi.json", { headers: headers() });
    const form = document.getElementById("key");
    form.hidden = response.status !== 401;
    if (response.status === 401) {
      document.getElementById("said").textContent = key === "" ? "" : "That key is not known.";
      return;
    }
    window.SwaggerUIBundle({
      spec: await response.json(),
      dom_id: "#api",
      deepLinking: true,
      validatorUrl: null,
      requestInterceptor: (request) => {
        Object.assign(request.headers, headers());
        return request;
      },
    });
  }

  function complain(error) {
    document.getElementById("api").textContent = `The description cannot be shown: ${error.message}`;
  }

  document.getElementById("key").addEventListener("submit", (event) => {
    event.preventDefault();
    key = new FormData(event.target).get("key").trim();
    show().catch(complain);
  });
  show().catch(complain);
})();
