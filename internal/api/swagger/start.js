// Shows the OpenAPI document. A script of its own, because the page allows none within it.
"use strict";

// The request ids of all examples begin alike. On each visit they begin with something else, so
// that whatever somebody tries out is new, and not what they, or others, have posted before.
const beginning = "6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c";
const digit = () => (crypto.getRandomValues(new Uint8Array(1))[0] % 16).toString(16);
const fresh = "xxxxxxxx-xxxx-4xxx-9xxx-xxxxxxxxxx".replaceAll("x", digit);

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  validatorUrl: null,
  defaultModelsExpandDepth: -1,
  responseInterceptor(response) {
    if (response.url.endsWith("/openapi.json")) {
      response.text = response.text.replaceAll(beginning, fresh);
    }
    return response;
  },
});
