// A PouchDB server over HTTP, with its databases in LevelDB: node server.js FOLDER. Prints its port; serves until killed.
const { createServer } = require('http');
const folder = process.argv[2];
const PouchDB = require('pouchdb').defaults({ prefix: `${folder}/` });
const app = require('express-pouchdb')(PouchDB, {
  inMemoryConfig: true,
  logPath: `${folder}/log.txt`,
});
const server = createServer(app).listen(0, '127.0.0.1', () => console.log(server.address().port));
