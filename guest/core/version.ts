/** Version of podkeep; package.json has the same. */
export const podkeepVersion = "0.1.0";
