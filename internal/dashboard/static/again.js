// Asks for a page again that couldn't be had.
"use strict";
setTimeout(() => location.reload(), 3000);
