// Shows the OpenAPI document. A script of its own, because the page allows none within it.
"use strict";
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  validatorUrl: null,
  defaultModelsExpandDepth: -1,
});
