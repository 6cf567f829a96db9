// A conversation that asserts by itself, from its beginning to its good or bad end.
"use strict";

/** Ends the process too: connections that were cut would try again in a minute. */
exports.converse = function converse(all) {
  all().then(
    () => {
      console.log("all is as on AWS");
      process.exit(0);
    },
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
};
