// Asks again for a page that the service couldn't answer.
"use strict";
setTimeout(() => location.reload(), 3000);
