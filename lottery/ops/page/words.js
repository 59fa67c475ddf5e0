// All texts of the page, in each language it speaks, and figures and times as they are written there.

const ENGLISH = {
  title: "Lottery central", skip: "Skip to the agencies", draw: "Draw", draws: "Draws", bets: "Bets",
  rate: "Bets/s", places: "Places taken", ended: "Ended", leftOut: "Left out",
  winningNumber: "Winning number", ledger: "Ledger", diskFree: "Disk space left",
  lastMinutes: "The last minutes", throughput: "Bets stored per second",
  latency: "Time until a batch is acknowledged", agencies: "Agencies", search: "Search",
  state: "State", agenciesCaption: "The agencies of the draw", writers: "Writers",
  writersCaption: "The processes that store bets", drawsCaption: "The draws and their results",
  betsPerNumber: "Bets per number", winnersPerAgency: "Winners of each agency",
  topNumbers: "Numbers with the most bets",
  promise: "The number will be made of a secret, of all bets and of random bytes of the agencies. This is the SHA-256 of the secret, published before the first bet:",
  connecting: "connecting", connected: "live", lost: "no connection",
  lostSince: (time) => `No connection to the central since ${time}, trying again. What is shown is old.`,
  notReached: "The central has not been reached yet, trying again.",
  back: "The connection to the central is back.",
  stepOf: (draw, state) => `Draw ${draw}: ${state}`,
  others: (list) => `Besides: ${list}.`,
  diskLow: (free, kept) => `Little disk space is left: ${free}. At ${kept} the central takes no more bets until there is room.`,
  diskFull: (free, kept) => `The disk is full: ${free} are left. Below ${kept} the central takes no bets until there is room.`,
  toBeDrawn: "to be drawn", fixed: "fixed before the draw", ofPlaces: (places) => `of ${places}`,
  nowAndMost: (now, most) => `now ${now}, highest ${most}`, perSecond: "bets/s",
  waits: (half, nearly, most) => `median ${half}, 99 % within ${nearly}; highest ${most}`,
  nothingYet: "nothing yet",
  anyState: "any", shown: (some, all) => some === all ? `${all} agencies` : `${some} of ${all} agencies`,
  moreRows: (shown, left) => `The first ${shown} are shown, ${left} more are not: sort or search to see others.`,
  noDraw: "There is no draw yet.",
  noAgencies: "No agency has come yet.", noneFound: "No agency is like that.",
  noWriters: "None runs: there is one as soon as a bet comes.",
  now: "now", ago: (time) => `${time} ago`,
  columns: { id: "Agency", name: "Name", dialect: "Dialect", state: "State", bets: "Bets", rate: "Bets/s", acked: "Acknowledged", winners: "Winners", why: "Why" },
  writerColumns: { pid: "Process", draw: "Draw", sessions: "Sessions", queue: "Queue", flush: "Last flush" },
  drawColumns: { draw: "Draw", state: "State", agencies: "Ended / places", left_out: "Left out", bets: "Bets", winning_number: "Number", winners: "Winners", files: "To keep" },
  partColumns: { agency: "Agency", name: "Name", bets: "Bets", winners: "Winners", outcome: "What came of it", documents: "Documents of the winners" },
  topColumns: { number: "Number", bets: "Bets" },
  states: { expected: "not come yet", sending: "sending", away: "away", ended: "all sent", left_out: "left out", received: "has its winners", unreceived: "winners not received" },
  steps: { open: "open", closing: "closing", sealed: "sealed", drawn: "drawn", delivered: "delivered", void: "void: nobody ended", unreadable: "cannot be read" },
  resultOf: (draw) => `Result of draw ${draw}`, show: (draw) => `Draw ${draw}`, latest: "Show the latest result",
  summary: (won, winners, bets) => `Number ${won} has won: ${winners} of ${bets} bets.`,
  notDrawn: (state) => `It is not drawn: ${state}.`,
  record: "record", winnersFile: "winners", recordOf: (draw) => `record of draw ${draw}`, winnersOf: (draw) => `winners of draw ${draw}`,
  noDocuments: "Documents of winners are not shown here.", moreDocuments: (count) => `and ${count} more`,
  counting: "The bets are being counted.", noNumbers: "There is nothing to count.",
  notLoaded: "This could not be loaded from the central, trying again.",
  numbersNote: (most, bets) => `Each bar is for 100 numbers, from 0 to 9999. Most bets are on ${most}: ${bets}.`,
  wonMark: (number) => `won: ${number}`,
  bar: (first, last, bets) => `${first} to ${last}: ${bets} bets`,
  commitment: "SHA-256 of the secret, published before the first bet", secret: "The secret", sha256: "SHA-256 of bets.csv",
  succeeded: "takes part",
  moreDraws: "The latest are shown.", noDraws: "There is no draw yet.",
  about: (version, since, connections) => `Version ${version}, running since ${since}, ${connections} connections.`,
  reasons: [],
};

const SPANISH = {
  title: "Central de lotería", skip: "Ir a las agencias", draw: "Sorteo", draws: "Sorteos", bets: "Apuestas",
  rate: "Apuestas/s", places: "Plazas ocupadas", ended: "Terminaron", leftOut: "Excluidas",
  winningNumber: "Número ganador", ledger: "Libro", diskFree: "Espacio en disco",
  lastMinutes: "Los últimos minutos", throughput: "Apuestas guardadas por segundo",
  latency: "Tiempo hasta la confirmación de un lote", agencies: "Agencias", search: "Buscar",
  state: "Estado", agenciesCaption: "Las agencias del sorteo", writers: "Escritores",
  writersCaption: "Los procesos que guardan apuestas", drawsCaption: "Los sorteos y sus resultados",
  betsPerNumber: "Apuestas por número", winnersPerAgency: "Ganadores de cada agencia",
  topNumbers: "Números con más apuestas",
  promise: "El número saldrá de un secreto, de todas las apuestas y de bytes al azar de las agencias. Este es el SHA-256 del secreto, publicado antes de la primera apuesta:",
  connecting: "conectando", connected: "en vivo", lost: "sin conexión",
  lostSince: (time) => `Sin conexión con la central desde las ${time}, se vuelve a intentar. Lo que se ve es viejo.`,
  notReached: "Todavía no se pudo llegar a la central, se vuelve a intentar.",
  back: "Volvió la conexión con la central.",
  stepOf: (draw, state) => `Sorteo ${draw}: ${state}`,
  others: (list) => `Además: ${list}.`,
  diskLow: (free, kept) => `Queda poco espacio en disco: ${free}. Con ${kept} la central no toma más apuestas hasta que haya lugar.`,
  diskFull: (free, kept) => `El disco está lleno: quedan ${free}. Con menos de ${kept} la central no toma apuestas hasta que haya lugar.`,
  toBeDrawn: "por sortear", fixed: "fijado antes del sorteo", ofPlaces: (places) => `de ${places}`,
  nowAndMost: (now, most) => `ahora ${now}, máximo ${most}`, perSecond: "apuestas/s",
  waits: (half, nearly, most) => `mediana ${half}, el 99 % en ${nearly}; máximo ${most}`,
  nothingYet: "nada todavía",
  anyState: "cualquiera", shown: (some, all) => some === all ? `${all} agencias` : `${some} de ${all} agencias`,
  moreRows: (shown, left) => `Se ven las primeras ${shown} y faltan ${left}: para ver otras, ordenar o buscar.`,
  noDraw: "Todavía no hay sorteo.",
  noAgencies: "Todavía no vino ninguna agencia.", noneFound: "Ninguna agencia es así.",
  noWriters: "No corre ninguno: habrá uno en cuanto llegue una apuesta.",
  now: "ahora", ago: (time) => `hace ${time}`,
  columns: { id: "Agencia", name: "Nombre", dialect: "Dialecto", state: "Estado", bets: "Apuestas", rate: "Apuestas/s", acked: "Confirmada", winners: "Ganadores", why: "Por qué" },
  writerColumns: { pid: "Proceso", draw: "Sorteo", sessions: "Sesiones", queue: "Cola", flush: "Último volcado" },
  drawColumns: { draw: "Sorteo", state: "Estado", agencies: "Terminaron / plazas", left_out: "Excluidas", bets: "Apuestas", winning_number: "Número", winners: "Ganadores", files: "Para guardar" },
  partColumns: { agency: "Agencia", name: "Nombre", bets: "Apuestas", winners: "Ganadores", outcome: "Cómo terminó", documents: "Documentos de los ganadores" },
  topColumns: { number: "Número", bets: "Apuestas" },
  states: { expected: "todavía no vino", sending: "enviando", away: "ausente", ended: "envió todo", left_out: "excluida", received: "tiene sus ganadores", unreceived: "no recibió sus ganadores" },
  steps: { open: "abierto", closing: "cerrando", sealed: "sellado", drawn: "sorteado", delivered: "entregado", void: "nulo: ninguna terminó", unreadable: "no se puede leer" },
  resultOf: (draw) => `Resultado del sorteo ${draw}`, show: (draw) => `Sorteo ${draw}`, latest: "Ver el último resultado",
  summary: (won, winners, bets) => `Ganó el número ${won}: ${winners} de ${bets} apuestas.`,
  notDrawn: (state) => `No está sorteado: ${state}.`,
  record: "acta", winnersFile: "ganadores", recordOf: (draw) => `acta del sorteo ${draw}`, winnersOf: (draw) => `ganadores del sorteo ${draw}`,
  noDocuments: "Aquí no se muestran documentos de ganadores.", moreDocuments: (count) => `y ${count} más`,
  counting: "Se están contando las apuestas.", noNumbers: "No hay nada que contar.",
  notLoaded: "La central no pudo mostrar esto, se vuelve a intentar.",
  numbersNote: (most, bets) => `Cada barra es de 100 números, de 0 a 9999. El que más apuestas tiene es el ${most}: ${bets}.`,
  wonMark: (number) => `ganó: ${number}`,
  bar: (first, last, bets) => `${first} a ${last}: ${bets} apuestas`,
  commitment: "SHA-256 del secreto, publicado antes de la primera apuesta", secret: "El secreto", sha256: "SHA-256 de bets.csv",
  succeeded: "participa",
  moreDraws: "Se ven los últimos.", noDraws: "Todavía no hay sorteos.",
  about: (version, since, connections) => `Versión ${version}, en marcha desde ${since}, ${connections} conexiones.`,
  // What the central says of an agency, piece by piece; what is not known here stays as it is.
  reasons: [
    [/^the connection was lost/, "se cortó la conexión"],
    [/^it closed the connection/, "cerró la conexión"],
    [/ in the middle of a frame/, " en medio de una trama"],
    [/, and it did not come back within (\S+) s$/, ", y no volvió en $1 s"],
    [/^it had not ended when the deadline of (\S+) s passed/, "no había terminado al vencer el plazo de $1 s"],
    [/^it never came/, "nunca vino"],
    [/^it was silent for too long/, "estuvo callada demasiado tiempo"],
    [/^a frame took longer than (\S+) s/, "una trama tardó más de $1 s"],
    [/^it sent its frame too slowly/, "envió su trama demasiado despacio"],
    [/^it took more than (\d+) tellings/, "hubo que decírselo más de $1 veces"],
    [/^it is not on the roster any more/, "ya no está en el padrón"],
    [/^agency (\d+) is not on the roster any more/, "la agencia $1 ya no está en el padrón"],
    [/^agency (\d+) has another certificate now/, "la agencia $1 ahora tiene otro certificado"],
    [/^agency (\d+) has come more than (\d+) times in a minute/, "la agencia $1 vino más de $2 veces en un minuto"],
    [/^another authority signs the certificates now/, "ahora otra autoridad firma los certificados"],
    [/^nobody of the roster is left for it/, "no queda nadie del padrón para la plaza"],
    [/^it has more than (\d+) bets/, "tiene más de $1 apuestas"],
    [/^there was no room on the disk for too long/, "no hubo lugar en el disco por demasiado tiempo"],
    [/^the central was started again/, "la central se reinició"],
    [/^the central is being stopped/, "la central se está deteniendo"],
    [/^the central cannot store now/, "la central no puede guardar ahora"],
    [/^the draw closed when the central was started again/, "el sorteo cerró al reiniciarse la central"],
    [/^its writer was ended by signal (\d+)/, "a su escritor lo terminó la señal $1"],
    [/^its writer ended with status (\d+) \((\w+)\)/, "su escritor terminó con estado $1 ($2)"],
    [/^(\d+) bets are announced, (\d+) are stored/, "anunció $1 apuestas y hay $2 guardadas"],
    [/^a newer session of agency (\d+) has come/, "vino una sesión más nueva de la agencia $1"],
    [/^the agency is away/, "la agencia está ausente"],
    [/^row (\d+)/, "fila $1"],
    [/^(fila \d+, )first_name:? /, "$1nombre: "], [/^(fila \d+, )last_name:? /, "$1apellido: "],
    [/^(fila \d+, )document:? /, "$1documento: "], [/^(fila \d+, )number:? /, "$1número: "],
    [/^(fila \d+, )birthdate:? /, "$1fecha de nacimiento: "],
    [/\bis empty\b/, "está vacío"], [/\bis blank\b/, "está en blanco"],
    [/\bhas (\d+) characters\b/, "tiene $1 caracteres"], [/\bholds (U\+\w+), which no name may hold/, "contiene $1, que ningún nombre puede tener"],
    [/\bholds (U\+\w+)/, "contiene $1"], [/\bmust not start with/, "no puede empezar con"],
    [/\bis no day of the calendar\b/, "no es un día del calendario"],
    [/ must have (\d+) columns, not (\d+)/, " debe tener $1 columnas, no $2"],
    [/\bmust be 1 to (\d+) characters/, "debe tener de 1 a $1 caracteres"],
    [/\bmust be 1 to (\d+) digits(?:, 0 to 9999)?/, "debe tener de 1 a $1 cifras"],
    [/\bmust be a day written YYYY-MM-DD/, "debe ser un día escrito AAAA-MM-DD"],
    [/\bmust be from (\S+) up to today, (\S+) UTC/, "debe estar entre $1 y hoy, $2 UTC"],
  ],
};

/** The first language of the browser that is spoken here, unless the address asks for one. */
function chooseLocale() {
  const asked = new URLSearchParams(location.search).get("lang");
  const spoken = (navigator.languages ?? []).filter((tag) => /^(en|es)(-|$)/i.test(tag));
  if (asked !== "en" && asked !== "es") return spoken[0] ?? "en";
  // Regions write figures in their own way, so the browser's choice of a region is kept.
  return spoken.find((tag) => tag.toLowerCase().startsWith(asked)) ?? asked;
}

const locale = chooseLocale();
const language = locale.slice(0, 2).toLowerCase();
export const words = language === "es" ? SPANISH : ENGLISH;

const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0, useGrouping: "always" });
const short = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumSignificantDigits: 3 });
const minute = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });

/** Compares texts as people of the language would, and figures in them as figures. */
export const compareTexts = new Intl.Collator(locale, { numeric: true }).compare;

export const wholeText = (value) => value === null || value === undefined ? "–" : whole.format(value);
export const compactText = (value) => compact.format(value);
export const minuteText = (seconds) => minute.format(seconds * 1000);
export const timeText = (seconds) => clock.format(seconds * 1000);
export const dayText = (seconds) => day.format(seconds * 1000);

export function bytesText(value) {
  if (value === null) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${short.format(value)} ${units[unit]}`;
}

export function secondsText(value) {
  if (value === null) return "–";
  return value < 1 ? `${short.format(value * 1000)} ms` : `${short.format(value)} s`;
}

export function rateText(value) {
  return value < 10 ? short.format(value) : wholeText(value);
}

/** How long ago something was, in the largest unit that fits. */
export function agoText(passed) {
  if (passed < 2) return words.now;
  if (passed < 120) return words.ago(`${Math.floor(passed)} s`);
  if (passed < 7200) return words.ago(`${Math.floor(passed / 60)} min`);
  if (passed < 172800) return words.ago(`${Math.floor(passed / 3600)} h`);
  return words.ago(`${Math.floor(passed / 86400)} d`);
}

/** What the central says of an agency, in the language of the page. */
export function whyText(sentence) {
  return words.reasons.reduce((text, [pattern, other]) => text.replace(pattern, other), sentence);
}

/** Put the texts into the page. */
export function fillWords() {
  document.documentElement.lang = language;
  document.title = words.title;
  for (const place of document.querySelectorAll("[data-word]")) {
    place.textContent = words[place.dataset.word];
  }
}
